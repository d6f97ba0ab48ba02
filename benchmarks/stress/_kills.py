"""Run work in processes that are killed at random moments, and look at what they leave."""

import gc
import multiprocessing
import os
import signal
import time
import traceback

FORK = multiprocessing.get_context("fork")  # nothing is imported again: hundreds of kills a minute


class Wrong(AssertionError):
    """Something was lost, or is not what it was."""


def run_in_fork(function, *args):
    """Call a function in a process of its own; return what it returns."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = fork(_answer, sender, function, args)
    sender.close()
    try:
        failed, value = receiver.recv()
    except EOFError:
        failed, value = True, "it ended without an answer"
    process.join()
    if failed:
        raise Wrong(value)
    return value


def _answer(pipe, function, args):
    try:
        pipe.send((False, function(*args)))
    except BaseException:
        pipe.send((True, traceback.format_exc()))


def fork(target, *args):
    """Start a function in a forked process.

    What is garbage here must not be collected there: the end of a decoder waits for its threads,
    which a fork does not have.
    """
    gc.collect()
    process = FORK.Process(target=target, args=args)
    process.start()
    return process


def wait_for_group(group, seconds):
    """Wait until a process group is gone; raise if it is there after so many seconds."""
    start = time.perf_counter()
    while _is_there(group):
        if time.perf_counter() - start > seconds:
            raise Wrong("it left processes behind")
        time.sleep(0.05)


def _is_there(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_within(seconds, work, rng):
    """Start `work(tell)` in a process, and kill it within `seconds` of its first sign of life.

    Returns
    -------
    killed : bool
        False if the work was done before.
    told : list
        What the work told, as finished for good, before it died.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    process = fork(_work, sender, work)
    sender.close()
    receiver.recv()
    until = time.perf_counter() + rng.uniform(0, seconds)
    steps = []
    while process.is_alive() and (seconds_left := until - time.perf_counter()) > 0:
        if receiver.poll(seconds_left):
            try:
                steps.append(receiver.recv())
            except EOFError:
                break
    if process.is_alive() and not _is_over(steps):
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    steps += _remaining_steps(receiver)
    if steps and isinstance(steps[-1], tuple):
        raise Wrong(steps[-1][1])
    return process.exitcode == -signal.SIGKILL, steps


def _is_over(steps):
    return bool(steps) and isinstance(steps[-1], tuple)


def _remaining_steps(pipe):
    remaining_steps = []
    try:
        while pipe.poll():
            remaining_steps.append(pipe.recv())
    except (EOFError, OSError):
        pass  # it was killed while it told something, which then does not count
    return remaining_steps


def _work(pipe, work):
    pipe.send("started")
    try:
        work(pipe.send)
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))
