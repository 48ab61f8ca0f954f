"""Bounds on what is under way, and being alone."""

import threading

from harness.run.executors.gate import Company, Places


def test_no_more_places_are_taken_than_there_are():
    places, lock = Places(lambda: 3), threading.Lock()
    under_way, most = 0, 0
    three = threading.Barrier(3)

    def work(number):
        nonlocal under_way, most
        with places.taken():
            with lock:
                under_way += 1
                most = max(most, under_way)
            three.wait(30)  # passes only where three are inside at a time
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 3


def test_a_place_more_is_noticed_when_hosts_join():
    most = 1
    places, second = Places(lambda: most), threading.Event()

    def work():
        with places.taken():
            second.set()

    with places.taken():
        thread = threading.Thread(target=work)
        thread.start()
        assert not second.wait(0.2)
        most = 2
        assert second.wait(30)
    thread.join(30)


def test_whoever_is_alone_has_nobody_beside():
    company, lock = Company(), threading.Lock()
    beside, seen = 0, []

    def among():
        nonlocal beside
        for _ in range(200):
            with company.beside():
                with lock:
                    beside += 1
                with lock:
                    beside -= 1

    def apart():
        for _ in range(50):
            with company.alone():
                seen.append(beside)

    threads = [threading.Thread(target=target) for target in (among, among, among, apart, apart)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [0] * 100
