"""The editable region and its context, by the procedure that released models depend on."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.prompt.budget import row_cost
from zeta_context.prompt.ranges import compute_editable_and_context_spans, expand_rows_evenly
from zeta_context.text.point import Span

ROW = "abc"  # costs one token


def rows_of(text: str, span: Span) -> tuple[int, int]:
    return text.count("\n", 0, span.start), text.count("\n", 0, span.end)


def span_of(text: str, first: int, last: int) -> Span:
    starts = [0] + [i + 1 for i, c in enumerate(text) if c == "\n"]
    end = text.find("\n", starts[last])
    return Span(starts[first], len(text) if end < 0 else end)


def compute(
    text: str, cursor_row: int, nodes: Sequence[tuple[int, int]], editable: int, context: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    cursor = span_of(text, cursor_row, cursor_row).start
    spans = [span_of(text, first, last) for first, last in nodes]
    found = compute_editable_and_context_spans(text, cursor, spans, editable, context)
    return rows_of(text, found[0]), rows_of(text, found[1])


def uniform(rows: int) -> str:
    return "\n".join([ROW] * rows)


def test_three_quarters_go_to_rows_on_both_sides_the_one_below_first() -> None:
    # 12 tokens: 9 evenly (the cursor's row, 4 down, 4 up), then 3 by row, up first.
    assert compute(uniform(100), 50, [], 12, 0)[0] == (44, 55)
    # 9 evenly would be an odd split: 8 tokens make 6, the cursor's row, 3 down and 2 up.
    assert compute(uniform(100), 50, [], 8, 0)[0] == (47, 54)


def test_even_growth_stops_for_good_at_the_first_row_that_does_not_fit() -> None:
    costs = [1] * 21
    costs[12] = 50
    assert expand_rows_evenly(10, 21, 12, costs.__getitem__) == (9, 11, 9)


def test_at_the_edge_of_the_text_growth_goes_on_at_the_other_side() -> None:
    costs = [1] * 21
    assert expand_rows_evenly(0, 21, 5, costs.__getitem__) == (0, 4, 0)
    assert expand_rows_evenly(20, 21, 5, costs.__getitem__) == (16, 20, 0)


def test_the_cursors_own_row_is_in_whatever_it_costs() -> None:
    text = "\n".join([ROW, "x" * 3000, ROW])
    # The quarter held back still goes to the rows beside it.
    assert compute(text, 1, [], 100, 0) == ((0, 2), (0, 2))
    assert compute(text, 1, [], 4, 0) == ((0, 1), (0, 1))


def test_the_rest_goes_to_enclosing_nodes_while_they_fit() -> None:
    # 24 tokens: 18 evenly give rows 42..59; 6 are left: the first node costs 4, the next 3 more.
    assert compute(uniform(100), 50, [(50, 50), (40, 61), (38, 62)], 24, 0)[0] == (39, 62)


def test_what_no_node_takes_goes_first_where_nodes_have_grown_least() -> None:
    # 20 tokens: 15 evenly give 43..57. A node takes two rows up, 3 tokens are left: down first.
    assert compute(uniform(100), 50, [(41, 57)], 20, 0)[0] == (40, 59)
    # A node takes two rows down: up first.
    assert compute(uniform(100), 50, [(43, 59)], 20, 0)[0] == (41, 60)


def test_row_growth_tries_the_other_side_when_one_does_not_fit() -> None:
    rows = [ROW] * 40
    rows[16] = "x" * 300
    # 8 tokens: 6 evenly 18..23; two are left; up fits once, then is blocked, so it goes on below.
    text = "\n".join(rows)
    assert compute(text, 20, [], 8, 0)[0] == (17, 24)


def test_the_context_grows_to_nodes_and_by_rows_only_when_no_node_fits() -> None:
    text = uniform(100)
    editable, context = compute(text, 50, [(40, 60)], 12, 12)
    assert editable == (44, 55)
    assert context == (40, 60)
    assert compute(text, 50, [(0, 99)], 12, 5)[1] == (41, 57)
    assert compute(text, 50, [], 12, 4)[1] == (42, 57)


def test_sizes_are_utf8_bytes() -> None:
    assert row_cost("äöü") == 2
    assert row_cost("") == 1
    assert row_cost("\U0001f600" * 3) == 4


def test_spans_are_code_points_and_end_before_the_last_rows_line_feed() -> None:
    text = "äöü\nx\n😀\n"
    editable, context = compute_editable_and_context_spans(text, 4, [], 350, 150)
    assert editable == context == Span(0, len(text))
    editable, _ = compute_editable_and_context_spans("ääää\nb\ncccccc", 5, [], 2, 0)
    assert editable == Span(5, 6)


@given(
    st.lists(st.text(alphabet="ab ä", max_size=12), min_size=1, max_size=60),
    st.data(),
    st.integers(1, 80),
    st.integers(0, 40),
)
@settings(max_examples=150, deadline=None)
def test_ranges_are_whole_rows_around_the_cursor_within_their_budgets(
    rows: list[str], data: st.DataObject, editable_budget: int, context_budget: int
) -> None:
    text = "\n".join(rows)
    cursor = data.draw(st.integers(0, len(text)))
    nodes: list[Span] = []
    first = last = text.count("\n", 0, cursor)
    for _ in range(data.draw(st.integers(0, 4))):
        first = data.draw(st.integers(0, first))
        last = data.draw(st.integers(last, len(rows) - 1))
        nodes.append(span_of(text, first, last))
    editable, context = compute_editable_and_context_spans(
        text, cursor, nodes, editable_budget, context_budget
    )
    assert editable.start <= cursor <= editable.end
    assert context.start <= editable.start <= editable.end <= context.end
    costs = [row_cost(row) for row in rows]
    at = rows_of(text, editable)
    assert span_of(text, *at) == editable
    around = rows_of(text, context)
    assert span_of(text, *around) == context
    used = sum(costs[at[0] : at[1] + 1])
    # The cursor's row may take a whole phase's budget and more; the rest then gets its quarter.
    over = max(0, costs[text.count("\n", 0, cursor)] - editable_budget * 3 // 4)
    assert used <= editable_budget + over
    assert sum(costs[around[0] : around[1] + 1]) - used <= context_budget
