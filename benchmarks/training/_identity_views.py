"""What the students of train_identity.py are shown: new people, and degraded views of them.

Everything is computed on the device of the images: RGB between 0 and 255, float32, of shape
(b, 3, 160, 160). Random numbers of rows come from torch, those of whole groups from `random`.
Nothing here waits for the device: constants are copied to it once.
"""

import functools
import math
import random

import torch
from torch.nn import functional

SIZE = 160
CENTER = slice(30, 130)  # rows and columns that show the face, for its colors
GROUP = 32  # images that are scaled, blurred and compressed alike
KERNEL = 11  # side of the blur, in pixels
N_BLURS = 64  # of each kind

# Tables of the JPEG standard (ITU-T T.81, annex K) for brightness and for color.
LUMINANCE = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99
"""
CHROMINANCE = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def uniform(like, low, high):
    """Return a random number for each image, of shape (b, 1, 1, 1)."""
    return torch.empty(len(like), 1, 1, 1, device=like.device).uniform_(low, high)


def normal(like, spread):
    return torch.randn(len(like), device=like.device) * spread


def rarely(like, probability):
    """Return True for some of the images, of shape (b, 1, 1, 1)."""
    return torch.rand(len(like), 1, 1, 1, device=like.device) < probability


def identity_map(like):
    """Return affine maps that change nothing, of shape (b, 2, 3)."""
    return torch.eye(2, 3, device=like.device).repeat(len(like), 1, 1)


def deform(images):
    """Bend faces smoothly and change their proportions, so that they are other people's."""
    maps = identity_map(images)
    maps[:, 0, 0] += normal(images, 0.05)
    maps[:, 1, 1] += normal(images, 0.05)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    coarse = torch.randn(len(images), 2, 5, 5, device=images.device)
    coarse = coarse * uniform(images, 0, 0.03)
    shift = functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic", align_corners=False)
    grid = grid + shift.permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def with_colors_of(images, donor_images):
    """Give faces the mean and the contrast of the colors of others."""
    own_colors, target = images[..., CENTER, CENTER], donor_images[..., CENTER, CENTER]
    contrast = target.std((2, 3), keepdim=True) / own_colors.std((2, 3), keepdim=True).clamp(min=5)
    mean, own_mean = target.mean((2, 3), keepdim=True), own_colors.mean((2, 3), keepdim=True)
    return (images - own_mean) * contrast.clamp(0.5, 2) + mean


def mix(first, second, n_averages):
    """Make faces of nobody of two faces each.

    The first `n_averages` are weighted averages; in the others smooth regions of the second face
    replace those of the first one.
    """
    first, second = deform(first), deform(second)
    second = with_colors_of(second, first)
    coarse = torch.randn(len(first), 1, 4, 4, device=first.device) * 8
    weight = functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic", align_corners=False)
    weight = torch.sigmoid(weight)
    weight[:n_averages] = uniform(first[:n_averages], 0.3, 0.7)
    return (weight * first + (1 - weight) * second).clamp(0, 255)


def degrade(images):
    """Show faces as another camera, light, pose or codec might have shown them."""
    images = recolor(move(images))
    images = torch.cat([degrade_alike(group) for group in images.split(GROUP)])
    return occlude(images).round().clamp(0, 255)


def move(images):
    """Rotate, scale, shift and mirror faces a little, as an imprecise detector would."""
    angle = normal(images, math.radians(4))
    scale = torch.exp(normal(images, 0.05))
    mirror = torch.where(torch.rand_like(angle) < 0.5, -1.0, 1.0)
    wide, high = scale * (1 + normal(images, 0.02)), scale * (1 + normal(images, 0.02))
    maps = identity_map(images)
    maps[:, 0, 0] = angle.cos() * wide * mirror
    maps[:, 0, 1] = -angle.sin() * high
    maps[:, 1, 0] = angle.sin() * wide * mirror
    maps[:, 1, 1] = angle.cos() * high
    maps[:, :, 2] = torch.randn(len(images), 2, device=images.device) * 0.035
    still = torch.rand(len(images), device=images.device) < 0.2
    maps = torch.where(still[:, None, None], identity_map(images), maps)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="border", align_corners=False
    )


def recolor(images):
    """Change light, contrast, color and gamma; some faces become gray."""
    changed_images = (images - 128) * uniform(images, 0.6, 1.4) + 128 + uniform(images, -30, 30)
    tint = torch.empty(len(images), 3, 1, 1, device=images.device).uniform_(0.88, 1.12)
    light = torch.linspace(-1, 1, SIZE, device=images.device)
    ramp = uniform(images, -0.3, 0.3) * light + uniform(images, -0.3, 0.3) * light[:, None]
    changed_images = (changed_images * tint * (1 + ramp)).clamp(0, 255)
    changed_images = 255 * (changed_images / 255) ** torch.exp(uniform(images, -0.35, 0.35))
    gray = changed_images.mean(1, keepdim=True)
    saturation = uniform(images, 0.5, 1.3).masked_fill(rarely(images, 0.08), 0.0)
    changed_images = gray + saturation * (changed_images - gray)
    return torch.where(rarely(images, 0.8), changed_images, images)


def degrade_alike(images):
    """Sharpen or blur, scale down and up, add noise and compress; each only sometimes."""
    draw = random.random
    if draw() < 0.1:
        soft = blur(images, random.randrange(N_BLURS // 2))
        images = images + random.uniform(0.3, 1.0) * (images - soft)
    elif draw() < 0.35:
        images = blur(images, random.randrange(2 * N_BLURS))
    if draw() < 0.45:
        small = int(SIZE * math.exp(random.uniform(math.log(0.22), math.log(0.9))))
        images = functional.interpolate(
            images, size=(small, small), mode="bilinear", antialias=True, align_corners=False
        )
        if draw() < 0.5:
            images = add_noise(images, 6)
        images = functional.interpolate(
            images, size=(SIZE, SIZE), mode="bicubic", align_corners=False
        )
    if draw() < 0.25:
        images = add_noise(images, 12)
    images = images.clamp(0, 255)
    if draw() < 0.65:
        images = compress(images)
    return images


def add_noise(images, largest):
    return images + torch.randn_like(images) * uniform(images, 0, largest)


def gaussian(sigma):
    """Return a blur as rows of numbers."""
    offsets = range(-(KERNEL // 2), KERNEL // 2 + 1)
    line = [math.exp(-(x**2) / (2 * sigma**2)) for x in offsets]
    total = sum(line) ** 2
    return [[a * b / total for a in line] for b in line]


def streak(length, angle):
    """Return the blur of a motion along a line of a length in pixels."""
    middle = KERNEL // 2
    rows = [[0.0] * KERNEL for _ in range(KERNEL)]
    steps = 50
    for step in range(steps):
        grid = length * (step / (steps - 1) - 0.5)
        x, y = middle + grid * math.cos(angle), middle + grid * math.sin(angle)
        rows[round(y)][round(x)] += 1 / steps
    return rows


@functools.cache
def blurs(device):
    """Return kernels, of shape (2 * N_BLURS, 1, 1, KERNEL, KERNEL): Gaussian ones, then streaks."""
    draw = random.Random(0)
    kernels = [gaussian(0.5 + 1.7 * i / N_BLURS) for i in range(N_BLURS)]
    kernels += [streak(draw.uniform(3, 9), draw.uniform(0, math.pi)) for _ in range(N_BLURS)]
    return torch.tensor(kernels, device=device)[:, None, None]


def blur(images, is_blurred):
    kernel = blurs(images.device)[is_blurred]
    padded = functional.pad(images, (KERNEL // 2,) * 4, mode="replicate")
    flat = padded.flatten(0, 1)[:, None]
    return functional.conv2d(flat, kernel).view(images.shape)


@functools.cache
def jpeg_tables(device):
    """Return the table of each plane, shape (3, 64), and the colors of planes, and back again."""
    texts = (LUMINANCE, CHROMINANCE, CHROMINANCE)
    tables = torch.tensor([[float(field) for field in text.split()] for text in texts])
    matrix = torch.tensor(TO_YCC)
    return tables.to(device), matrix.to(device), torch.linalg.inv(matrix).to(device)


@functools.cache
def cosines(device):
    """Return the 64 functions of the discrete cosine transform, of shape (64, 1, 8, 8)."""
    grid = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * grid + 1) * grid[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return torch.einsum("ux,vy->uvxy", basis, basis).reshape(64, 1, 8, 8)


def quantize(plane, table, functions):
    """Round the cosine transform of blocks of 8 x 8 pixels to multiples of a table (b, 64)."""
    coefficients = functional.conv2d(plane, functions, stride=8)
    step = table[:, :, None, None]
    rounded = (coefficients / step).round() * step
    return functional.conv_transpose2d(rounded, functions, stride=8)


def compress(images):
    """Lose what JPEG loses, at a random quality for each image and a random place of the blocks."""
    device = images.device
    quality = uniform(images, 15, 95).view(-1, 1)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    shift = (random.randrange(8), random.randrange(8))
    functions, (tables, matrix, inverse) = cosines(device), jpeg_tables(device)
    planes = torch.einsum("kc,bchw->bkhw", matrix, images.roll(shift, (2, 3)) - 128)
    halved = random.random() < 0.6  # colors at half the resolution
    pieces = []
    for i in range(3):
        table = ((tables[i] * percent + 50) / 100).floor().clamp(1, 255)
        plane = planes[:, i : i + 1]
        if i and halved:
            plane = quantize(functional.avg_pool2d(plane, 2), table, functions)
            plane = functional.interpolate(plane, scale_factor=2.0, mode="nearest")
        else:
            plane = quantize(plane, table, functions)
        pieces.append(plane)
    back = torch.einsum("ck,bkhw->bchw", inverse, torch.cat(pieces, 1)) + 128
    return back.roll((-shift[0], -shift[1]), (2, 3)).clamp(0, 255)


def occlude(images):
    """Cover a rectangle of some of the faces with a color or with noise."""
    pixels = torch.arange(SIZE, device=images.device)
    left_edge, top = uniform(images, 0, SIZE), uniform(images, 0, SIZE)
    width, height = uniform(images, 12, 60), uniform(images, 12, 60)
    inside = ((pixels >= left_edge) & (pixels < left_edge + width)) & (
        (pixels[:, None] >= top) & (pixels[:, None] < top + height)
    )
    color = torch.rand(len(images), 3, 1, 1, device=images.device) * 255
    color = color + torch.randn_like(images) * uniform(images, 0, 40)
    return torch.where(inside & rarely(images, 0.2), color.clamp(0, 255), images)
