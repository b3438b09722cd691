from keystead.gateway.departure import Departure


def test_who_watches_hears_it_once() -> None:
    heard: list[str] = []
    departure = Departure()
    departure.watch(lambda: heard.append("left"))
    departure.happen()
    departure.happen()
    assert heard == ["left"]
    assert departure.gone


def test_who_comes_too_late_hears_it_at_once() -> None:
    heard: list[str] = []
    departure = Departure()
    departure.happen()
    departure.watch(lambda: heard.append("left"))
    assert heard == ["left"]


def test_who_stops_watching_hears_nothing() -> None:
    heard: list[str] = []
    departure = Departure()

    def watcher() -> None:
        heard.append("left")

    departure.watch(watcher)
    departure.unwatch(watcher)
    departure.happen()
    assert heard == []
