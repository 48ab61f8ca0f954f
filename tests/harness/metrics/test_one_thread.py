import threading

from threadpoolctl import threadpool_info

from harness.metrics.one_thread import one_thread


def threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_blas_has_one_thread_inside_and_its_own_number_again_afterwards():
    with one_thread():
        pass  # by now all libraries are loaded
    before = threads()
    with one_thread(), one_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_blocks_of_several_threads_do_not_undo_each_other():
    with one_thread():
        pass
    before, found = threads(), []

    def work() -> None:
        for _ in range(20):
            with one_thread():
                found.append(set(threads()))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [{1}] * 80
    assert threads() == before


def test_a_block_may_end_before_one_that_began_later():
    before, began, ended, found = threads(), threading.Event(), threading.Event(), []

    def later() -> None:
        with one_thread():
            began.set()
            assert ended.wait(10)
            found.append(set(threads()))

    worker = threading.Thread(target=later)
    with one_thread():
        worker.start()
        assert began.wait(10)
    ended.set()
    worker.join()
    assert found == [{1}]
    assert threads() == before
