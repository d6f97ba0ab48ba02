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


def apart(function, *args):
    """Call a function in a process of its own; return what it returns."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = fork(_answer, theirs, function, args)
    theirs.close()
    try:
        failed, found = ours.recv()
    except EOFError:
        failed, found = True, "it ended without an answer"
    process.join()
    if failed:
        raise Wrong(found)
    return found


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


def kill_within(seconds, work, rng):
    """Start `work(tell)` in a process, and kill it within `seconds` of its first sign of life.

    Returns
    -------
    killed : bool
        False if the work was done before.
    told : list
        What the work told, as finished for good, before it died.
    """
    ours, theirs = FORK.Pipe(duplex=False)
    process = fork(_work, theirs, work)
    theirs.close()
    ours.recv()
    until = time.perf_counter() + rng.uniform(0, seconds)
    told = []
    while process.is_alive() and (left := until - time.perf_counter()) > 0:
        if ours.poll(left):
            try:
                told.append(ours.recv())
            except EOFError:
                break
    if process.is_alive() and not _over(told):
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    told += _rest(ours)
    if told and isinstance(told[-1], tuple):
        raise Wrong(told[-1][1])
    return process.exitcode == -signal.SIGKILL, told


def _over(told):
    return bool(told) and isinstance(told[-1], tuple)


def _rest(pipe):
    rest = []
    try:
        while pipe.poll():
            rest.append(pipe.recv())
    except (EOFError, OSError):
        pass  # it was killed while it told something, which then does not count
    return rest


def _work(pipe, work):
    pipe.send("started")
    try:
        work(pipe.send)
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))
