"""moto in a fraction of its time: these few functions took most of what a test of the service takes.

Only how the work is done is replaced, never an answer: what moto refuses without these patches, it refuses
with them.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.useragent import UserAgentString
from moto import backend_index
from moto.core import responses
from moto.core.serialize import BaseJSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.validators import ActionCountValidator, OverlappingPathsValidator

Conditions = list[tuple[str, DynamoType]]

_transact_slowly = DynamoDBBackend.transact_write_items
_query_slowly = Table.query
_parse_slowly = UpdateExpressionParser.make
_count_slowly = ActionCountValidator.verify_action_counts
_overlap_slowly = OverlappingPathsValidator.check_for_overlapping_paths
_traverse_slowly = DepthFirstTraverser.traverse
_cut_words_slowly = ConditionExpressionParser._lex_condition_expression
_serialize_slowly = BaseJSONSerializer._serialize_type_structure


@contextmanager
def patch_moto() -> Iterator[None]:
    """Run moto with the patches of this module."""
    replaced: list[tuple[Any, str, Any]] = [
        (Table, "__deepcopy__", _return_itself),
        (Table, "query", _query),
        (DynamoDBBackend, "transact_write_items", _transact),
        (UpdateExpressionParser, "make", _parse),
        (Node, "__deepcopy__", _copy_tree),
        (DepthFirstTraverser, "traverse", _traverse),
        (ConditionExpressionParser, "_lex_condition_expression", _cut_words),
        (ActionCountValidator, "verify_action_counts", _check_the_root(_count_slowly)),
        (OverlappingPathsValidator, "check_for_overlapping_paths", _check_the_root(_overlap_slowly)),
        (backend_index, "backend_url_patterns", _put_first("dynamodb")),
        (responses, "method_names_from_class", cache(method_names_from_class)),
        (BaseJSONSerializer, "_serialize_type_structure", _serialize_structure),
        (UserAgentString, "to_string", _name_no_user_agent),
    ]
    with ExitStack() as patches:
        for place, name, replacement in replaced:
            patches.enter_context(patch.object(place, name, replacement, create=True))
        yield


# -- transactions ------------------------------------------------------------------------------------------


def _return_itself(table: Table, memo: dict[int, Any]) -> Table:
    """Save the copy of a whole table that moto makes for each item of a transaction. Nothing else that tests
    ask of moto copies a table.
    """
    return table


def _transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Put back the items that a failing transaction names: no others can have changed."""
    stored = [_copy_stored_item(backend, *change) for item in transact_items for change in item.items()]
    try:
        _transact_slowly(backend, transact_items)
    except Exception:
        for table, hash_key, range_key, item in stored:
            if item is not None:
                table.items[hash_key][range_key] = item
            else:
                table.items[hash_key].pop(range_key, None)
        raise


def _copy_stored_item(
    backend: DynamoDBBackend, kind: str, change: dict[str, Any]
) -> tuple[Table, DynamoType, DynamoType, Item | None]:
    table = backend.get_table(change["TableName"])
    key = change["Item" if kind == "Put" else "Key"]
    hash_key, range_key = DynamoType(key[table.hash_key_attr]), DynamoType(key[str(table.range_key_attr)])
    return table, hash_key, range_key, deepcopy(table.items.get(hash_key, {}).get(range_key))


# -- queries -----------------------------------------------------------------------------------------------


def _query(table: Table, *arguments: Any, hash_key_conditions: Conditions, **more: Any) -> Any:
    """Query a table that has the items of one partition alone. moto sorts all items of the whole one for each
    query, and reads two keys anew for each comparison.
    """
    attribute, value = hash_key_conditions[0]
    partition: Any = copy(table)
    if attribute == table.hash_key_attr:
        partition.items = {value: table.items.get(value, {})}
    else:
        partition.items = _find_indexed(table, attribute, value)
    more["hash_key_conditions"] = hash_key_conditions
    return _query_slowly(partition, *arguments, **more)


def _find_indexed(table: Table, attribute: str, value: DynamoType) -> Any:
    found: dict[DynamoType, dict[DynamoType, Item]] = {}
    for hash_key, items in table.items.items():
        for range_key, item in items.items():
            stored = item.attrs.get(attribute)
            if stored is not None and stored.value == value.value:
                found.setdefault(hash_key, {})[range_key] = item
    return found


# -- conditions --------------------------------------------------------------------------------------------

_lexed: dict[str | None, tuple[Any, ...]] = {}


def _cut_words(parser: ConditionExpressionParser) -> deque[Any]:
    """Cut a condition into its words once: names and values are in none of them."""
    if parser.condition_expression not in _lexed:
        _lexed[parser.condition_expression] = tuple(_cut_words_slowly(parser))
    return deque(_lexed[parser.condition_expression])


# -- update expressions ------------------------------------------------------------------------------------


def _parse(expression: str) -> Node:
    return pickle.loads(_parse_once(expression))  # noqa: S301 - made in the line below


@cache
def _parse_once(expression: str) -> bytes:
    return pickle.dumps(_parse_slowly(expression))


def _copy_tree(node: Node, memo: dict[int, Any]) -> Node:
    return pickle.loads(pickle.dumps(node))  # noqa: S301 - made in this line


def _traverse(traverser: Any, tree: Any) -> Any:
    """Find once per traversal what the traverser processes, not at each node whether it does. An expression
    is walked ten times, and whether something is a node is for an abstract class to say.
    """
    processed = traverser.nodes_to_be_processed()
    processes: Callable[[Any], bool] = cache(lambda kind: issubclass(kind, processed))
    found = [each for each in _list_nodes(tree) if processes(type(each[0]))]
    if found and type(traverser).pre_processing_of_child is not DepthFirstTraverser.pre_processing_of_child:
        return _traverse_slowly(traverser, tree)
    for node, child_id in found:
        parent, replacement = node.parent, traverser.process(node)
        replacement.parent = parent
        if parent:
            parent.children[child_id] = replacement
        tree = replacement if node is tree else tree
    return tree


def _list_nodes(tree: Any) -> list[tuple[Any, int]]:
    """List the nodes of a tree, each behind all that is in it, with its place in its parent."""
    found, waiting = [], [(tree, -1)]
    while waiting:
        found.append(waiting.pop())
        for place, child in enumerate(found[-1][0].children or ()):
            if hasattr(child, "children"):
                waiting.append((child, place))
    return found[::-1]


def _check_the_root(check: Callable[[Any, Node], Node]) -> Callable[[Any, Node], Node]:
    """Check an expression once. moto checks each action together with all that follow it, which are nodes
    inside of each other.
    """

    def check_root(validator: Any, node: Node) -> Node:
        return node if node.parent else check(validator, node)

    return check_root


# -- requests and answers -----------------------------------------------------------------------------------


def _name_no_user_agent(_: UserAgentString) -> str:
    """Save what botocore composes anew for each request, twice, and nobody reads."""
    return "tests"


def _put_first(service: str) -> list[Any]:
    """Try the addresses of this service before those of the two hundred others."""
    return sorted(backend_index.backend_url_patterns, key=lambda pattern: pattern[0] != service)


_WRITTEN_AS_STORED = {"S", "N", "BOOL"}


def _serialize_structure(
    serializer: BaseJSONSerializer, serialized: dict[str, Any], value: Any, shape: Any, key: str
) -> None:
    """Take an attribute's value as it is. moto asks it for each of ten types, under several names each."""
    if key and shape.name == "AttributeValue" and value and value.keys() <= _WRITTEN_AS_STORED:
        serializer._default_serialize(serialized, dict(value), shape, key)
    else:
        _serialize_slowly(serializer, serialized, value, shape, key)
