"""Let eight processes read and write one embedding store at once, and look at what they see."""

import numpy as np

from benchmarks.stress._kills import FORK
from sklearn_diffake.embedding import EmbeddingStore

PROCESSES, BATCHES, SECONDS = 8, 24, 120


def batch(number):
    """Return sixteen values, the same in every process."""
    rng = np.random.default_rng(number)
    return {f"{number}-{i}".encode(): rng.bytes(2048) for i in range(16)}


def _take_part(pipe, folder, size, seed):
    """Write all batches in an order of one's own, and read others in between."""
    rng, n_findings = np.random.default_rng(seed), 0
    store = EmbeddingStore(folder, **size)
    for number in rng.permutation(BATCHES).tolist():
        store.put_many("model", batch(number))
        for batch_number in (number, int(rng.integers(BATCHES))):
            digests = batch(batch_number)
            stored_values = store.get_many("model", digests)
            n_findings += len(stored_values)
            if any(stored_values[key] != digests[key] for key in stored_values):
                pipe.send(f"batch {batch_number} is not what was written")
                return
            if size == {} and batch_number == number and len(stored_values) < len(digests):
                pipe.send(f"batch {number} was written, and is lost")
                return
    pipe.send(None if n_findings else "nothing was ever found")


def crowd(folder, seed, size):
    """Run the processes; return what each says is wrong."""
    ends, processes = [], []
    for number in range(PROCESSES):
        receiver, sender = FORK.Pipe(duplex=False)
        task = (sender, folder, size, seed * PROCESSES + number)
        processes.append(FORK.Process(target=_take_part, args=task))
        processes[-1].start()
        sender.close()
        ends.append(receiver)
    wrong = []
    for process, end in zip(processes, ends, strict=True):
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            wrong.append(f"still at it after {SECONDS} s")
        elif process.exitcode or not end.poll():
            wrong.append(f"ended with {process.exitcode}")
        elif message := end.recv():
            wrong.append(message)
    return wrong + _afterwards(folder, size)


def _afterwards(folder, size):
    """See that all is there, or, in a store of bounded size, that the bound was kept."""
    store = EmbeddingStore(folder, **size)
    if size:
        n_stored_bytes = store.info()["bytes"]
        return (
            [f"{n_stored_bytes:,} bytes are stored"] if n_stored_bytes > size["max_bytes"] else []
        )
    lost_batches = [n for n in range(BATCHES) if store.get_many("model", batch(n)) != batch(n)]
    return [f"batches {lost_batches} are lost or wrong"] if lost_batches else []


def trials(folder, times):
    """Let several crowds at stores without and with a bound; yield what, cases and findings."""
    for description, size in (("", {}), (" of bounded size", {"max_bytes": 300_000})):
        wrong = []
        for seed in range(times):
            wrong += crowd(folder / f"{len(size)}-{seed}", seed, size)
        yield f"embedding store{description}", times * PROCESSES, wrong
