import threading

from threadpoolctl import threadpool_info

from harness.metrics.one_thread import one_thread


def threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_blas_has_one_thread_inside_and_its_own_number_again_afterwards():
    before = threads()
    with one_thread(), one_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_blocks_of_several_threads_do_not_undo_each_other():
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
