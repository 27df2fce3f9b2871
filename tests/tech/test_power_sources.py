"""Batteries and harvesters."""

from flow.tech.power_sources import drivable_by, sources


def test_sources_come_with_the_weakest_first():
    assert [(s.name, s.limit_mw) for s in sources()] == [
        ("printed_harvester", 0.1),
        ("blue_spark_3mw", 3.0),
        ("blue_spark_6mw", 6.0),
        ("zinergy", 15.0),
        ("molex", 30.0),
    ]
    assert all(source.source for source in sources())


def test_the_smallest_source_that_can_drive_a_circuit_comes_first():
    assert [source.name for source in drivable_by(4.3)] == ["blue_spark_6mw", "zinergy", "molex"]
    assert drivable_by(0.1)[0].name == "printed_harvester"


def test_a_circuit_that_nothing_can_drive_has_no_source():
    assert drivable_by(42.9) == ()
