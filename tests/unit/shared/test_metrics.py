"""Every metric is declared once, exists from the start and is served."""

from dataclasses import fields

from cornerman_shared.process.metrics import DECLARED, PREFIX, Metrics


def test_attributes_equal_declarations() -> None:
    attributes = {item.name for item in fields(Metrics)} - {"registry"}
    assert attributes == set(DECLARED)


def test_exposed_names_equal_attributes() -> None:
    exposed = {metric.name for metric in Metrics().registry.collect()}
    assert exposed == {PREFIX + name.removesuffix("_total") for name in DECLARED}


def test_registries_are_separate() -> None:
    one, other = Metrics(), Metrics()
    one.output_tokens_total.inc(5)
    assert b"cornerman_output_tokens_total 5.0" in one.text()
    assert b"cornerman_output_tokens_total 0.0" in other.text()
