"""The operator table against ``onnx.defs``: each fact of a row, at the opset that toffee writes."""

from __future__ import annotations

import re
from typing import Any

import onnx
import onnx.defs
import pytest
from onnx.defs import OpSchema

from toffee import _core

OPSET = 20
ROWS: dict[str, dict[str, Any]] = {row["name"]: row for row in _core.op_table()}
ARITY = {
    OpSchema.FormalParameterOption.Single: "single",
    OpSchema.FormalParameterOption.Optional: "optional",
    OpSchema.FormalParameterOption.Variadic: "variadic",
}


def schemas_of_the_opset() -> dict[str, OpSchema]:
    """Name to schema of every operator that is valid, not deprecated, at ``OPSET``."""
    newest: dict[str, OpSchema] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        known = newest.get(schema.name)
        if (
            schema.domain == ""
            and schema.since_version <= OPSET
            and (known is None or known.since_version < schema.since_version)
        ):
            newest[schema.name] = schema
    return {name: schema for name, schema in newest.items() if not schema.deprecated}


SCHEMAS = schemas_of_the_opset()
BOTH = sorted(SCHEMAS.keys() & ROWS.keys())


def dtype_name(type_string: str) -> str | None:
    """``tensor(float16)`` to ``FLOAT16``; None for a sequence, an optional or a map."""
    match = re.fullmatch(r"tensor\((\w+)\)", type_string)
    return match[1].upper() if match else None


def allowed_types(schema: OpSchema, type_string: str) -> set[str]:
    """The type strings that a port of ``type_string`` (a variable or a type) takes."""
    for constraint in schema.type_constraints:
        if constraint.type_param_str == type_string:
            return set(constraint.allowed_type_strs)
    return {type_string}


def test_the_table_has_exactly_the_operators_of_the_opset() -> None:
    assert len(SCHEMAS) > 180  # or the comparison below would compare little
    assert {"missing": SCHEMAS.keys() - ROWS.keys(), "extra": ROWS.keys() - SCHEMAS.keys()} == {
        "missing": set(),
        "extra": set(),
    }


def test_rows_come_in_order_of_name_and_belong_to_the_default_domain() -> None:
    names = [row["name"] for row in _core.op_table()]
    assert names == sorted(names)
    assert {row["domain"] for row in ROWS.values()} == {""}


@pytest.mark.parametrize("name", BOTH)
def test_a_row_has_the_version_of_its_schema(name: str) -> None:
    assert ROWS[name]["since_version"] == SCHEMAS[name].since_version


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("name", BOTH)
def test_ports_have_the_names_and_arity_of_the_schema(name: str, side: str) -> None:
    ours = [
        (
            port["name"],
            port["arity"],
            port["mixed"],
            port["min"] if port["arity"] == "variadic" else None,
        )
        for port in ROWS[name][side]
    ]
    theirs = [
        (
            port.name,
            ARITY[port.option],
            not port.is_homogeneous,
            port.min_arity if ARITY[port.option] == "variadic" else None,
        )
        for port in getattr(SCHEMAS[name], side)
    ]
    assert ours == theirs


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("name", BOTH)
def test_ports_allow_the_dtypes_of_the_schema(name: str, side: str) -> None:
    variables = {variable["name"]: set(variable["dtypes"]) for variable in ROWS[name]["types"]}
    for ours, theirs in zip(ROWS[name][side], getattr(SCHEMAS[name], side), strict=True):
        allowed = {dtype_name(text) for text in allowed_types(SCHEMAS[name], theirs.type_str)}
        if ours["type"] is None:
            assert None in allowed, f"{ours['name']} takes tensors only, so its dtypes can be said"
        else:
            assert variables[ours["type"]] == allowed, ours["name"]


@pytest.mark.parametrize("name", BOTH)
def test_ports_share_a_type_variable_where_the_schema_says_so(name: str) -> None:
    ports = [*ROWS[name]["inputs"], *ROWS[name]["outputs"]]
    theirs = [*SCHEMAS[name].inputs, *SCHEMAS[name].outputs]
    pairs = {
        (ours["type"], re.sub(r"tensor\((\w+)\)", r"\1", schema.type_str))
        for ours, schema in zip(ports, theirs, strict=True)
        if ours["type"] is not None
    }
    assert all(ours == schema for ours, schema in pairs), pairs


@pytest.mark.parametrize("name", BOTH)
def test_every_type_variable_of_a_row_is_used_by_a_port(name: str) -> None:
    used = {port["type"] for port in [*ROWS[name]["inputs"], *ROWS[name]["outputs"]]} - {None}
    assert [
        variable["name"] for variable in ROWS[name]["types"] if variable["name"] not in used
    ] == []
    assert used <= {variable["name"] for variable in ROWS[name]["types"]}


@pytest.mark.parametrize("name", BOTH)
def test_attributes_have_the_names_types_and_need_of_the_schema(name: str) -> None:
    ours = [(a["name"], a["type"], a["required"]) for a in ROWS[name]["attributes"]]
    theirs = [
        (attribute.name, attribute.type.name, attribute.required)
        for attribute in SCHEMAS[name].attributes.values()
    ]
    assert ours == sorted(theirs)  # ours must come sorted: the checker walks along both lists


@pytest.mark.parametrize(
    ("name", "attribute", "default"),
    [
        (name, attribute.name, onnx.helper.get_attribute_value(attribute.default_value))
        for name in BOTH
        for attribute in SCHEMAS[name].attributes.values()
        if attribute.default_value.name
    ],
)
def test_the_text_of_an_attribute_ends_in_its_default(
    name: str, attribute: str, default: Any
) -> None:
    (row,) = [a for a in ROWS[name]["attributes"] if a["name"] == attribute]
    said = row["doc"].rpartition("; ")[2]
    if attribute in ("dtype", "output_datatype", "stash_type"):  # the number, then its name
        number, _, word = said.partition(", ")
        assert int(number) == default
        assert onnx.TensorProto.DataType.Value(word) == default
    elif isinstance(default, float):
        assert float(said) == pytest.approx(default, rel=1e-6)  # they keep a float32
    elif isinstance(default, bytes):
        assert said == default.decode()
        assert row["choices"] is not None
        assert said in row["choices"].split("|")
    elif isinstance(default, list) and default and isinstance(default[0], bytes):
        assert set(said.split(", ")) == {text.decode() for text in default}
    else:
        assert said == str(default)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_row_says_its_shapes_and_every_attribute_its_meaning(name: str) -> None:
    row = ROWS[name]
    assert "->" in row["doc"]
    assert "\n" not in row["doc"]
    for port in row["outputs"]:
        if port["arity"] == "single":
            assert port["name"] in row["doc"], port["name"]
    assert all(len(attribute["doc"]) > 0 for attribute in row["attributes"])


def test_choices_belong_to_string_attributes_and_hold_what_the_schema_text_names() -> None:
    for name in BOTH:
        for attribute in ROWS[name]["attributes"]:
            if attribute["choices"] is None:
                continue
            assert attribute["type"] == "STRING"
            text = SCHEMAS[name].attributes[attribute["name"]].description + SCHEMAS[name].doc
            missing = [word for word in attribute["choices"].split("|") if word not in text]
            assert missing == [], f"{name}.{attribute['name']}"
