"""Every metric is declared once, exists from the start and is served."""

from dataclasses import fields

from cornerman_shared.process.metrics import DECLARED, OWNERS, PREFIX, Metrics


def test_attributes_equal_declarations() -> None:
    attributes = {item.name for item in fields(Metrics)} - {"registry", "role"}
    assert attributes == set(DECLARED)


def test_exposed_names_equal_attributes() -> None:
    exposed = {metric.name for metric in Metrics().registry.collect()}
    assert exposed == {PREFIX + name.removesuffix("_total") for name in DECLARED}


def test_registries_are_separate() -> None:
    one, other = Metrics(), Metrics()
    one.output_tokens_total.inc(5)
    assert b"cornerman_output_tokens_total 5.0" in one.text()
    assert b"cornerman_output_tokens_total 0.0" in other.text()


def test_process_exposes_its_own_metrics() -> None:
    gateway = Metrics("gateway")
    gateway.encode_seconds.observe(1.0)
    exposed = {metric.name for metric in gateway.registry.collect()}
    assert {f"{PREFIX}clients", f"{PREFIX}errors", f"{PREFIX}loop_delay_seconds"} <= exposed
    assert not {f"{PREFIX}encode_seconds", f"{PREFIX}first_token_seconds", f"{PREFIX}chunks"} & exposed


def test_owners_are_roles_and_declared() -> None:
    roles = {role for owners in OWNERS.values() for role in owners}
    assert roles == {"capture", "encoder", "decider", "generator", "gateway"}
    assert set(OWNERS) <= set(DECLARED)
