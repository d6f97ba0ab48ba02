"""Read pages of HTML in tests."""

import contextlib
from html.parser import HTMLParser

_VOID = ("meta", "img", "br")


class Elements(HTMLParser):
    """Every tag of a page with its attributes, and the text between; no style.

    `texts` has the text of each element that was closed, by tag; `fields` the values of ``data``
    elements by the ``data-field`` of the cell they stand in.
    """

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.depth = [], "", []
        self.texts, self.fields = [], {}
        self._starts, self._field = [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag in ("td", "th"):
            self._field = attributes.get("data-field")
        if tag == "data" and self._field:
            self.fields.setdefault(self._field, []).append(attributes["value"])
        if tag not in _VOID:
            self.depth.append(tag)
            self._starts.append(len(self.text))

    def handle_endtag(self, tag):
        assert self.depth.pop() == tag
        self.texts.append((tag, self.text[self._starts.pop() :].strip()))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.depth[-1:] != ["style"]:
            self.text += data

    def all(self, tag):
        """Return the text of every element of a kind."""
        return [text for name, text in self.texts if name == tag]

    def numbers(self):
        """Return the values of all ``data`` elements that are numbers."""
        result = []
        for attributes in self.attributes("data"):
            with contextlib.suppress(ValueError):
                result.append(float(attributes["value"]))
        return result

    def attributes(self, tag, **expected):
        """Return the attributes of every element of a kind that has these."""
        return [
            result
            for name, result in self.tags
            if name == tag and all(result.get(key) == value for key, value in expected.items())
        ]
