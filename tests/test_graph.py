"""toffee.Graph and its parts: fields, lists, editing, copies, equality, life and death."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import weakref

import numpy as np
import pytest

import toffee
from toffee import (
    Attribute,
    Graph,
    Node,
    OperatorSetId,
    StringStringEntry,
    Tensor,
    ValueInfo,
    checker,
    helper,
    numpy_helper,
)


def names(graph):
    return [node.op_type for node in graph.node]


def chain(n):
    """x -> Relu -> 1 -> Relu -> 2 ... with n nodes called n0, n1, ..."""
    nodes = [
        helper.make_node("Relu", [str(i) if i else "x"], [str(i + 1)], name=f"n{i}")
        for i in range(n)
    ]
    return helper.make_graph(nodes, "chain", ["x"], [str(n)])


# ---- fields ------------------------------------------------------------------------------------


def test_a_new_graph_is_empty_and_declares_the_opset_that_toffee_writes():
    graph = Graph()
    assert (len(graph), graph.name, graph.ir_version) == (0, "", 2)
    assert graph.opset_import == [OperatorSetId(domain="", version=20)]
    assert list(graph.node) == list(graph.input) == list(graph.initializer) == []


@pytest.mark.parametrize("field", ["name", "producer_tag", "domain", "doc_string"])
def test_text_fields_of_a_graph_read_back_what_was_set(field):
    graph = Graph()
    setattr(graph, field, "größer\0\U0001f36c")
    assert getattr(graph, field) == "größer\0\U0001f36c"
    setattr(graph, field, "")
    assert getattr(graph, field) == ""


@pytest.mark.parametrize("field", ["ir_version", "producer_version"])
def test_integer_fields_of_a_graph_hold_64_bits_and_refuse_more(field):
    graph = Graph(**{field: -(2**63)})
    assert getattr(graph, field) == -(2**63)
    with pytest.raises(OverflowError):
        setattr(graph, field, 2**63)
    with pytest.raises(TypeError, match="must be an int"):
        setattr(graph, field, "1")
    assert getattr(graph, field) == -(2**63)


def test_text_fields_refuse_other_types_and_deletion():
    node = Node(op_type="Relu")
    with pytest.raises(TypeError, match="must be a str, not int"):
        node.name = 3
    with pytest.raises(TypeError, match="cannot be deleted"):
        del node.op_type
    assert node.op_type == "Relu"


def test_constructors_take_fields_by_keyword_only_and_name_an_unknown_one():
    with pytest.raises(TypeError, match="keyword arguments only"):
        Node("Relu")
    with pytest.raises(TypeError, match="'op_typ'"):
        Node(op_typ="Relu")
    with pytest.raises(TypeError, match="'attributes'"):
        Node(attributes={})


def test_names_with_bytes_that_are_no_utf8_come_back_as_the_same_bytes():
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    node = Node(op_type="Relu", name=name)
    assert node.name == name
    assert "caf" in repr(node)


@pytest.mark.parametrize(
    "make",
    [
        Graph,
        lambda: Node(op_type="Relu"),
        lambda: Attribute(name="a", i=1),
        lambda: numpy_helper.from_array(np.zeros(1)),
        lambda: ValueInfo(name="x"),
        StringStringEntry,
        OperatorSetId,
        lambda: Graph().node,
    ],
)
def test_no_object_can_be_hashed_since_equality_is_by_content(make):
    with pytest.raises(TypeError, match="unhashable"):
        hash(make())


def test_the_types_cannot_be_subclassed():
    for base in (Graph, Node, Attribute, Tensor, ValueInfo, toffee.Repeated):
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Sub", (base,), {})
    with pytest.raises(TypeError):
        toffee.Repeated()


def test_representations_are_short_and_say_what_the_thing_is(conv_graph):
    assert repr(conv_graph) == "<toffee.Graph 'net': 2 nodes, 2 inputs, 1 outputs>"
    assert repr(conv_graph.node[0]) == "<toffee.Node Conv 'features.0' (2) -> (1)>"
    assert repr(conv_graph.node[1]) == "<toffee.Node Relu (1) -> (1)>"
    assert repr(conv_graph.node[0].attribute[0]) == "<toffee.Attribute kernel_shape=[3, 3]>"
    assert repr(conv_graph.initializer[0]) == "<toffee.Tensor 'w' FLOAT [64, 3, 3, 3]>"
    assert repr(conv_graph.input_info[0]) == "<toffee.ValueInfo 'x' FLOAT ('batch', 3, 8, 8)>"
    assert repr(conv_graph.opset_import[0]) == "<toffee.OperatorSetId '' version 20>"
    assert repr(conv_graph.metadata_props) == "[<toffee.StringStringEntry 'made by': 'a test'>]"


def test_str_of_a_graph_is_the_listing_and_of_a_node_its_line(conv_graph):
    lines = str(conv_graph).splitlines()
    assert lines[0] == ("graph(%w : Float(64, 3, 3, 3), %x : Float(batch, 3, 8, 8)) {")
    assert "= Conv[kernel_shape=[3, 3], strides=[1, 1]](%x, %w)" in lines[1]
    assert str(conv_graph.node[0]).endswith("= Conv[kernel_shape=[3, 3], strides=[1, 1]](%x, %w)")
    assert "return (%y)" in str(conv_graph)


def test_a_graph_has_the_length_of_its_nodes_and_iterates_over_them(conv_graph):
    assert len(conv_graph) == 2
    assert [node.op_type for node in conv_graph] == ["Conv", "Relu"]


# ---- lists -------------------------------------------------------------------------------------


def test_lists_read_as_python_lists_do(conv_graph):
    node = conv_graph.node
    assert node[-1].op_type == "Relu"
    assert [n.op_type for n in node[::-1]] == ["Relu", "Conv"]
    assert isinstance(node[0:1], list)
    with pytest.raises(IndexError, match="node index out of range"):
        node[2]
    with pytest.raises(IndexError):
        node[-3]
    assert conv_graph.input == ["w", "x"]
    assert conv_graph.input == ("w", "x")
    assert conv_graph.input != "wx"
    assert (conv_graph.input == 3) is False
    assert "x" in conv_graph.input and "y" not in conv_graph.input
    assert conv_graph.input.index("x") == 1
    with pytest.raises(ValueError, match="'q' is not in input"):
        conv_graph.input.index("q")
    assert conv_graph.input.count("x") == 1
    assert conv_graph.input.copy() == ["w", "x"]


def test_random_edits_of_a_list_do_what_they_do_to_a_python_list():
    """Every list operation, 3,000 times in random order, on a list of names and on a list."""
    rng = random.Random(0)
    node = Node(op_type="Sum")
    ours, theirs = node.input, []

    def position():
        return rng.randrange(-len(theirs) - 2, len(theirs) + 3)

    def cut():
        ends = [rng.choice([None, position()]) for _ in range(2)]
        return slice(*ends, rng.choice([None, 1, 2, -1, -2, 3]))

    def some(n):
        return [rng.choice("abcdef") for _ in range(n)]

    def assign_slice(target, where, values):
        target[where] = values

    def assign_item(target, where, value):
        target[where] = value

    def delete(target, where):
        del target[where]

    for _ in range(3000):
        where, cut_at, item, items = position(), cut(), rng.choice("abcdef"), some(rng.randrange(4))
        if rng.random() < 0.5:
            items = some(len(theirs[cut_at]))
        operation = rng.choice(
            [
                lambda t, item=item: t.append(item),
                lambda t, items=items: t.extend(items),
                lambda t, where=where, item=item: t.insert(where, item),
                lambda t, where=where: t.pop(where),
                lambda t, item=item: t.remove(item),
                lambda t: t.reverse(),
                lambda t, where=where, item=item: assign_item(t, where, item),
                lambda t, cut_at=cut_at, items=items: assign_slice(t, cut_at, items),
                lambda t, where=where: delete(t, where),
                lambda t, cut_at=cut_at: delete(t, cut_at),
                lambda t, items=items: t.__iadd__(items) and None,
            ]
        )
        results = []
        for target in (ours, theirs):
            try:
                results.append(operation(target))
            except (IndexError, ValueError) as error:
                results.append(type(error))
        assert results[0] == results[1]
        assert list(ours) == theirs
        if len(theirs) > 12:
            ours.clear()
            theirs.clear()
        assert len(node.input) == len(theirs)


def test_nodes_are_copied_in_so_that_the_original_stays_apart(conv_graph):
    node = helper.make_node("Tanh", ["y"], ["z"])
    conv_graph.node.append(node)
    node.op_type = "Sigmoid"
    assert names(conv_graph) == ["Conv", "Relu", "Tanh"]
    conv_graph.node[2].op_type = "Erf"
    assert node.op_type == "Sigmoid"


def test_views_of_one_node_see_each_others_edits(conv_graph):
    first, second = conv_graph.node[0], conv_graph.node[0]
    first.name = "renamed"
    first.attribute[0].ints[0] = 5
    assert second.name == "renamed"
    assert second.attribute[0].ints == [5, 3]


def test_slices_of_nodes_can_be_deleted_and_replaced():
    graph = chain(6)
    del graph.node[2:4]
    assert [n.name for n in graph.node] == ["n0", "n1", "n4", "n5"]
    del graph.node[::2]
    assert [n.name for n in graph.node] == ["n1", "n5"]
    graph.node[:1] = [Node(op_type="Tanh", name=name) for name in "ab"]
    assert [n.name for n in graph.node] == ["a", "b", "n5"]
    graph.node[::2] = [Node(op_type="Tanh", name=name) for name in "xy"]
    assert [n.name for n in graph.node] == ["x", "b", "y"]
    with pytest.raises(ValueError, match="extended slice"):
        graph.node[::2] = []
    assert len(graph) == 3


def test_a_removed_node_stays_readable_and_can_go_back(conv_graph):
    relu = conv_graph.node.pop()
    assert (relu.op_type, relu.input, len(conv_graph)) == ("Relu", ["h"], 1)
    relu.name = "still editable"
    conv_graph.node.append(relu)
    assert conv_graph.node[1].name == "still editable"
    checker.check_graph(conv_graph)


def test_a_node_outlives_the_graph_that_it_came_from(conv_bytes):
    node = toffee.loads(conv_bytes).node[0]
    gc.collect()
    assert node.attributes["kernel_shape"] == [3, 3]


def test_an_extend_that_fails_half_way_changes_nothing(conv_graph):
    before = copy.copy(conv_graph)
    with pytest.raises(TypeError, match="expected a toffee.Node, not str"):
        conv_graph.node.extend([Node(op_type="Tanh"), "Relu"])
    with pytest.raises(TypeError):
        conv_graph.input.extend(["a", 3])
    with pytest.raises(TypeError):
        conv_graph.node[0].attribute[0].ints.extend([1, "x"])

    def breaks():
        yield "a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        conv_graph.output.extend(breaks())
    assert conv_graph == before


def test_a_list_that_changes_while_its_new_elements_are_converted_is_left_alone():
    node = Node(op_type="Reshape", attribute=[helper.make_attribute("shape", [1, 2, 3])])
    ints = node.attribute[0].ints

    class Evil:
        def __index__(self):
            ints.clear()
            return 7

    with pytest.raises(RuntimeError, match="changed while it was being edited"):
        ints[2] = Evil()
    with pytest.raises(RuntimeError, match="changed"):
        node.attribute[0].ints = [1]
        ints.append(Evil())
    assert list(ints) == []


def test_extending_a_list_with_itself_doubles_it():
    graph = chain(2)
    graph.node.extend(graph.node)
    assert [n.name for n in graph.node] == ["n0", "n1", "n0", "n1"]
    graph.node[0].input.extend(graph.node[0].input)
    assert graph.node[0].input == ["x", "x"]


def test_assigning_to_a_list_field_replaces_its_elements(conv_graph):
    conv_graph.node[0].input = ["a", "", "b"]
    assert conv_graph.node[0].input == ["a", "", "b"]
    conv_graph.node = conv_graph.node[1:]
    assert names(conv_graph) == ["Relu"]
    with pytest.raises(TypeError, match="input must be a sequence of elements, not str"):
        conv_graph.input = "xy"
    with pytest.raises(TypeError, match="cannot be deleted"):
        del conv_graph.input


def test_add_makes_the_element_in_place_and_returns_it(conv_graph):
    node = conv_graph.node.add(op_type="Tanh", input=["y"], output=["z"])
    node.name = "last"
    assert conv_graph.node[2].name == "last"
    attribute = conv_graph.node[0].attribute.add(name="group", i=1)
    attribute.i = 2
    assert conv_graph.node[0].attributes["group"] == 2
    assert [a.name for a in conv_graph.node[0].attribute] == ["group", "kernel_shape", "strides"]
    with pytest.raises(TypeError, match="use append"):
        conv_graph.input.add()


def test_remove_takes_the_first_that_is_equal():
    graph = chain(3)
    graph.node.remove(helper.make_node("Relu", ["1"], ["2"], name="n1"))
    assert [n.name for n in graph.node] == ["n0", "n2"]
    with pytest.raises(ValueError, match="not in node"):
        graph.node.remove(Node(op_type="Tanh"))


def test_an_empty_name_is_an_input_left_out_but_no_input_of_a_graph():
    node = Node(op_type="Clip", input=["x", "", "max"])
    assert node.input == ["x", "", "max"]
    with pytest.raises(ValueError, match="needs a name"):
        Graph().input.append("")


# ---- attributes --------------------------------------------------------------------------------


def test_the_type_of_an_attribute_follows_the_field_that_is_set():
    attribute = Attribute(name="a")
    assert attribute.type == Attribute.UNDEFINED and attribute.value() is None
    for field, value, kind, back in [
        ("f", 1.5, Attribute.FLOAT, 1.5),
        ("i", -3, Attribute.INT, -3),
        ("s", "é", Attribute.STRING, "é".encode()),
        ("floats", [1, 0.5], Attribute.FLOATS, [1.0, 0.5]),
        ("ints", (1, 2), Attribute.INTS, [1, 2]),
        ("strings", ["a", b"\xff"], Attribute.STRINGS, [b"a", b"\xff"]),
    ]:
        setattr(attribute, field, value)
        assert (attribute.type, attribute.value()) == (kind, back)
    assert attribute.i == 0 and attribute.f == 0.0 and attribute.s == b"" and attribute.t is None
    assert list(attribute.ints) == []


def test_attributes_hold_tensors_and_graphs_as_copies(conv_graph, weights):
    inner = chain(2)
    tensor = numpy_helper.from_array(weights, "big")
    node = Node(
        op_type="If",
        attribute=[
            Attribute(name="then_branch", g=inner),
            Attribute(name="t", t=tensor),
            Attribute(name="gs", graphs=[inner, inner]),
            Attribute(name="ts", tensors=[tensor]),
        ],
    )
    conv_graph.node.append(node)
    inner.name = "changed"
    del node, tensor, inner
    gc.collect()
    got = {a.name: a for a in conv_graph.node[2].attribute}
    assert got["then_branch"].g.name == "chain" and len(got["then_branch"].g) == 2
    assert len(got["gs"].graphs) == 2
    assert np.array_equal(got["t"].t.numpy(), weights)
    assert np.array_equal(got["ts"].tensors[0].numpy(), weights)
    got["then_branch"].g.node[0].name = "inside"
    assert conv_graph.node[2].attributes["then_branch"].node[0].name == "inside"


def test_attributes_stand_in_order_of_name_and_each_name_once():
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[1, 1], group=1)
    assert [a.name for a in node.attribute] == ["group", "strides"]
    with pytest.raises(ValueError, match="already has an attribute 'group'"):
        node.attribute.append(Attribute(name="group", i=2))
    with pytest.raises(ValueError, match="already has an attribute 'pads'"):
        node.attribute.extend([Attribute(name="pads", i=2), Attribute(name="pads", i=3)])
    with pytest.raises(ValueError, match="needs a name"):
        node.attribute.append(Attribute(i=1))
    node.attribute[0] = Attribute(name="group", i=2)
    assert dict(node.attributes) == {"group": 2, "strides": [1, 1]}


def test_renaming_an_attribute_moves_it_to_its_place():
    node = helper.make_node("X", [], ["y"], a=1, b=2, c=3)
    attribute = node.attribute[0]
    attribute.name = "z"
    attribute.i = 9
    assert dict(node.attributes) == {"b": 2, "c": 3, "z": 9}
    with pytest.raises(ValueError, match="already has"):
        attribute.name = "b"
    with pytest.raises(ValueError, match="null character"):
        attribute.name = "a\0b"
    assert [a.name for a in node.attribute] == ["b", "c", "z"]


def test_an_attribute_that_was_removed_goes_on_by_itself():
    node = helper.make_node("X", [], ["y"], a=1)
    attribute = node.attribute.pop()
    node.attribute.append(Attribute(name="a", i=5))
    attribute.i = 2
    assert (attribute.i, node.attributes["a"]) == (2, 5)


def test_changing_the_type_empties_the_value():
    attribute = Attribute(name="axes", ints=[1, 2])
    attribute.type = Attribute.FLOATS
    assert attribute.value() == []
    attribute.type = Attribute.FLOATS
    for bad, message in [
        (4, "`t`"),
        (5, "`g`"),
        (11, "must have"),
        (15, "no type"),
        (-1, "no type"),
    ]:
        with pytest.raises(ValueError, match=message):
            attribute.type = bad
    assert Attribute(name="axes", ints=[], type=Attribute.INTS).type == Attribute.INTS
    assert Attribute(name="n", type=Attribute.STRING).s == b""


def test_attributes_as_a_mapping_is_read_only():
    node = helper.make_node("X", [], ["y"], a=1)
    with pytest.raises(TypeError):
        node.attributes["a"] = 2


def test_numbers_out_of_range_are_refused():
    with pytest.raises(OverflowError):
        Attribute(name="a", ints=[2**63])
    with pytest.raises(TypeError, match="must be an int"):
        Attribute(name="a", ints=[1.5])
    with pytest.raises(TypeError):
        Attribute(name="a", f="x")
    with pytest.raises(TypeError, match="bytes or str"):
        Attribute(name="a", s=3)


def test_graphs_in_attributes_nest_only_as_deep_as_can_be_read_back():
    graph = Graph(name="0")
    depth = 0
    with pytest.raises(ValueError, match="nest"):
        for depth in range(1, 100):
            graph = Graph(
                name=str(depth), node=[Node(op_type="If", attribute=[Attribute(name="b", g=graph)])]
            )
    assert depth > 10
    assert toffee.loads(toffee.dumps(graph)) == graph


# ---- value infos, properties, opsets -----------------------------------------------------------


def test_shapes_are_tuples_of_numbers_symbols_and_unknowns():
    info = ValueInfo(name="x", dtype=Tensor.INT64, shape=[1, "n", None])
    assert info.shape == (1, "n", None)
    assert info.type.tensor_type.elem_type == 7
    assert [(d.dim_value, d.dim_param) for d in info.type.tensor_type.shape.dim] == [
        (1, ""),
        (0, "n"),
        (0, ""),
    ]
    info.shape = None
    assert info.shape is None and info.type.tensor_type.shape is None
    info.shape = ()
    assert info.shape == ()
    for bad, error in [([-1], ValueError), ("ab", TypeError), ([1.5], TypeError), (3, TypeError)]:
        with pytest.raises(error):
            info.shape = bad
    with pytest.raises(ValueError, match="at most 64"):
        info.shape = [1] * 65
    with pytest.raises(ValueError, match="no dtype"):
        info.dtype = 99
    with pytest.raises(AttributeError):
        info.type = None
    assert (info.shape, info.dtype) == ((), 7)


def test_input_info_shows_inputs_without_an_initializer_and_follows_edits(conv_graph):
    assert [info.name for info in conv_graph.input_info] == ["x"]
    weight = conv_graph.initializer.pop()
    assert [info.name for info in conv_graph.input_info] == ["w", "x"]
    conv_graph.initializer.append(weight)
    assert [info.name for info in conv_graph.input_info] == ["x"]
    conv_graph.input_info[0].shape = [5, 3, 8, 8]
    assert toffee.loads(toffee.dumps(conv_graph)).input_info[0].shape == (5, 3, 8, 8)


def test_declaring_an_input_also_lists_it(conv_graph):
    conv_graph.input_info.append(ValueInfo(name="extra", dtype=Tensor.BOOL, shape=[2]))
    assert conv_graph.input == ["w", "x", "extra"]
    conv_graph.output_info.add(name="h", dtype=1, shape=[1, 64, 6, 6])
    assert conv_graph.output == ["y", "h"]
    conv_graph.output_info.add(name="h", dtype=1, shape=None)
    assert conv_graph.output == ["y", "h"] and conv_graph.output_info[1].shape is None
    with pytest.raises(TypeError, match="remove the name from"):
        del conv_graph.input_info[0]
    with pytest.raises(ValueError, match="needs a name"):
        conv_graph.value_info.append(ValueInfo())


def test_a_value_cannot_be_renamed_behind_the_nodes_that_use_it(conv_graph):
    with pytest.raises(ValueError, match="node.input"):
        conv_graph.input_info[0].name = "q"


def test_initializers_need_a_name_and_can_be_renamed(conv_graph):
    with pytest.raises(ValueError, match="needs a name"):
        conv_graph.initializer.append(numpy_helper.from_array(np.zeros(2)))
    with pytest.raises(ValueError, match="needs a name"):
        conv_graph.initializer[0].name = ""
    conv_graph.initializer[0].name = "weight"
    conv_graph.node[0].input[1] = "weight"
    conv_graph.input[0] = "weight"
    checker.check_graph(conv_graph)
    assert [info.name for info in conv_graph.input_info] == ["x"]


def test_properties_and_opsets_can_be_edited_in_place(conv_graph):
    conv_graph.metadata_props[0].value = "somebody else"
    conv_graph.metadata_props.add(key="k", value="v").key = "key"
    assert [(p.key, p.value) for p in conv_graph.metadata_props] == [
        ("made by", "somebody else"),
        ("key", "v"),
    ]
    conv_graph.opset_import.append(OperatorSetId(domain="org.pytorch.aten", version=1))
    conv_graph.opset_import[1].version = 2
    gone = conv_graph.opset_import.pop()
    gone.version = 3
    assert (gone.domain, gone.version) == ("org.pytorch.aten", 3)
    assert [(o.domain, o.version) for o in conv_graph.opset_import] == [("", 20)]


# ---- tensors -----------------------------------------------------------------------------------


def test_dims_data_type_and_bytes_of_a_tensor_agree_at_all_times():
    tensor = Tensor(name="t", dims=[2, 3], data_type=Tensor.INT16, raw_data=bytes(range(12)))
    tensor.dims = [3, 2]
    assert tensor.numpy().shape == (3, 2)
    tensor.dims[:] = [6]
    tensor.data_type = Tensor.FLOAT16
    assert tensor.numpy().dtype == np.float16
    for edit, message in [
        (lambda: tensor.dims.append(2), "number of elements, 6"),
        (lambda: tensor.dims.__setitem__(0, -6), "number of elements"),
        (lambda: setattr(tensor, "data_type", Tensor.FLOAT), "another size"),
        (lambda: setattr(tensor, "data_type", 99), "no data_type"),
        (lambda: setattr(tensor, "raw_data", b"123"), "has 3 bytes"),
        (lambda: setattr(tensor, "string_data", [b"a"]), "STRING"),
        (lambda: Tensor(dims=[2], data_type=1), "need raw_data"),
        (lambda: Tensor(dims=[2], data_type=8), "need string_data"),
        (lambda: Tensor(dims=[-1], data_type=1), "negative"),
        (lambda: Tensor(dims=[2**62, 4], data_type=1), r"2\*\*63"),
        (lambda: Tensor(dims=[1] * 65, data_type=1, raw_data=b"1234"), "at most 64"),
    ]:
        with pytest.raises(ValueError, match=message):
            edit()
    assert (list(tensor.dims), bytes(tensor.raw_data)) == ([6], bytes(range(12)))


def test_raw_data_is_a_read_only_view_that_keeps_the_graph_alive(conv_bytes, weights):
    view = toffee.loads(conv_bytes).initializer[0].raw_data
    gc.collect()
    assert view.readonly and view == weights.tobytes()


def test_setting_raw_data_leaves_earlier_views_as_they_were(conv_graph, weights):
    tensor = conv_graph.initializer[0]
    before, array = tensor.raw_data, tensor.numpy()
    for new in (bytes(weights.nbytes), bytearray(weights.nbytes)):
        tensor.raw_data = new
        del new
        gc.collect()
        assert not tensor.numpy().any()
    assert before == weights.tobytes() and np.array_equal(array, weights)


def test_numpy_asarray_of_a_tensor_gives_its_values_not_its_bytes():
    tensor = numpy_helper.from_array(np.arange(6, dtype=np.int64).reshape(2, 3))
    assert np.array_equal(np.asarray(tensor), [[0, 1, 2], [3, 4, 5]])
    assert np.asarray(tensor, dtype=np.float32).dtype == np.float32
    assert np.array(tensor, copy=True).flags.writeable


# ---- copies, equality, pickle ------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_equal_and_apart(conv_graph, weights, duplicate):
    twin = duplicate(conv_graph)
    assert twin == conv_graph and not twin != conv_graph
    twin.node[0].attribute[0].ints[0] = 5
    twin.initializer[0].raw_data = bytes(weights.nbytes)
    assert twin != conv_graph
    assert conv_graph.node[0].attributes["kernel_shape"] == [3, 3]
    del conv_graph
    gc.collect()
    assert twin.input == ["w", "x"]


@pytest.mark.parametrize(
    "part",
    [
        helper.make_node("Conv", ["x", "w"], ["y"], name="n", doc_string="d", pads=[1, 1]),
        Attribute(name="a", floats=[1.5], doc_string="d"),
        Attribute(name="g", g=Graph(name="inner")),
        numpy_helper.from_array(np.arange(5000.0), "t"),
        numpy_helper.from_array(np.array(["a", "é"]), "strings"),
        Tensor(),
        ValueInfo(name="v", dtype=1, shape=[1, "n", None], doc_string="d"),
        StringStringEntry(key="k", value="v"),
        OperatorSetId(domain="d", version=3),
        Graph(),
    ],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_every_part_can_be_copied_and_pickled(part, duplicate):
    twin = duplicate(part)
    assert twin == part and twin is not part and type(twin) is type(part)


def test_equality_is_by_content_and_sees_every_field(conv_graph):
    edits = [
        lambda g: setattr(g, "name", "other"),
        lambda g: setattr(g, "ir_version", 1),
        lambda g: setattr(g.node[1], "doc_string", ""),
        lambda g: g.node[0].input.reverse(),
        lambda g: setattr(g.node[0].attribute[1], "ints", [1, 2]),
        lambda g: setattr(g.input_info[0], "shape", ["b", 3, 8, 8]),
        lambda g: setattr(g.value_info[0], "dtype", 10),
        lambda g: setattr(g.initializer[0], "dims", [3, 64, 3, 3]),
        lambda g: g.metadata_props.clear(),
        lambda g: g.opset_import.pop(),
        lambda g: g.output.append("h"),
    ]
    for edit in edits:
        twin = copy.copy(conv_graph)
        edit(twin)
        assert twin != conv_graph
    assert conv_graph != "graph" and (conv_graph == None) is False  # noqa: E711


def test_a_thousand_copies_of_copies_die_without_overflowing_the_stack(conv_graph):
    graph = conv_graph
    for _ in range(5000):
        graph = copy.copy(graph)
    del graph
    gc.collect()


# ---- life and death ----------------------------------------------------------------------------


def test_a_graph_dies_with_its_last_view(conv_graph, conv_bytes):
    graph = toffee.loads(conv_bytes)
    dead = weakref.ref(graph)
    array = graph.initializer[0].numpy()
    node = graph.node[0]
    del graph, node
    gc.collect()
    assert dead() is not None  # the array needs the bytes
    del array
    gc.collect()
    assert dead() is None


def test_loads_keeps_its_buffer_for_as_long_as_the_graph_lives(conv_bytes):
    buffer = bytearray(conv_bytes)
    graph = toffee.loads(buffer)
    with pytest.raises(BufferError):
        buffer.clear()
    array = graph.initializer[0].numpy()
    del graph
    with pytest.raises(BufferError):
        buffer.clear()
    del array
    gc.collect()
    buffer.clear()


def test_a_load_that_fails_lets_go_of_its_buffer():
    buffer = bytearray(b"\xff" * 100)
    with pytest.raises(toffee.FormatError):
        toffee.loads(buffer)
    buffer.clear()


def test_graphs_that_keep_each_other_alive_are_collected(weights):
    """Large tensors are shared when a node moves; two graphs that took from each other are
    a cycle."""
    one = Graph(initializer=[numpy_helper.from_array(weights, "a")])
    two = Graph(initializer=[numpy_helper.from_array(weights, "b")])
    one.initializer.extend(two.initializer)
    two.initializer.extend(one.initializer[:1])
    dead = weakref.ref(one), weakref.ref(two)
    assert np.array_equal(two.initializer[1].numpy(), weights)
    del one, two
    gc.collect()
    assert [ref() for ref in dead] == [None, None]


def test_a_large_tensor_moves_between_graphs_without_a_copy(weights):
    donor = Graph(initializer=[numpy_helper.from_array(weights, "w")])
    address = donor.initializer[0].numpy().ctypes.data
    taker = Graph(initializer=donor.initializer)
    assert taker.initializer[0].numpy().ctypes.data == address
    del donor
    gc.collect()
    assert np.array_equal(taker.initializer[0].numpy(), weights)
