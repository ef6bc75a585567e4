"""Every family: what is written is read back and solved; the answers are right by an independent reckoning."""

import contextlib
import io
import itertools
import json
import re
from datetime import date
from decimal import Decimal
from random import Random
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.routing import Grader
from pointsman.upstream.simulated import features
from pointsman.upstream.simulated.tasks import FAMILIES, LANGUAGES, READABLE, Language, generate, solve

families = st.sampled_from(sorted(FAMILIES))
languages = st.sampled_from(LANGUAGES)


@settings(max_examples=400, deadline=None)
@given(families, languages, st.floats(0, 1), st.integers(0, 2**32))
def test_a_generated_task_is_recognised_and_solved_from_its_text_alone(
    family: str, language: Language, difficulty: float, seed: int
) -> None:
    task = generate(family, language, difficulty, Random(seed))
    solution = solve(task.user)
    assert solution is not None
    assert (solution.family, solution.language, solution.kind) == (family, language, task.kind)
    assert solution.answer == task.answer
    assert solution.difficulty == task.difficulty
    assert solution.accepts(task.answer)
    assert solution.accepts(f"Some words first.\nAnswer: {task.answer}" if task.kind != "json_fields" else task.answer)
    assert solution.slips
    assert not any(solution.accepts(slip) for slip in solution.slips)


@pytest.mark.parametrize("name", sorted(features()))
def test_requests_of_the_features_are_solved_in_their_letter_clothes(name: str) -> None:
    for task in features()[name].tasks(300, seed=5):
        solution = solve(task.user)
        assert solution is not None
        assert (solution.answer, solution.difficulty) == (task.answer, task.difficulty)
        # A judge reads the whole conversation at once.
        whole = solve(f"[system]\n{task.system}\n\n[user]\n{task.user}")
        assert whole is not None
        assert whole.answer == task.answer


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    feature = features()["support"]
    first, again, other = (list(feature.tasks(20, seed)) for seed in (1, 1, 2))
    assert first == again
    assert not {task.user for task in first} & {task.user for task in other}


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("language", LANGUAGES)
def test_difficulty_is_graded_close_to_what_is_asked_for(family: str, language: Language) -> None:
    means = []
    for asked in (0.0, 0.25, 0.5, 0.75, 1.0):
        stated = [generate(family, language, asked, Random(f"{asked}/{seed}")).difficulty for seed in range(150)]
        assert all(0 <= value <= 1 for value in stated)
        assert abs(fmean(stated) - asked) < 0.25
        means.append(fmean(stated))
    assert means == sorted(means)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("language", LANGUAGES)
def test_wording_varies(family: str, language: Language) -> None:
    shapes = {re.sub(r"\d+", "0", generate(family, language, 0.4, Random(seed)).user)[:12] for seed in range(60)}
    assert len(shapes) > 1


# An answer is right by a reckoning that shares no code with the family.


def test_totals_by_hand() -> None:
    text = (
        "Please check this order.\n- 3 x desk lamp at 19.99 each\n- toner cartridge, 2 pcs, unit price 80.50\n"
        "Discount on the goods: 10%. Sales tax on the remainder: 20%.\nWhat is the amount payable, rounded to two decimals?"
    )
    solution = solve(text)
    assert solution is not None
    assert solution.answer == "238.65"  # (59.97 + 161.00) x 0.9 x 1.2 = 238.6476
    assert {"265.16", "198.87"} <= set(solution.slips)  # no discount; no tax


def test_sums_of_units_by_hand() -> None:
    solution = solve("The delivery note lists 10 ft + 25 in. What is that altogether in cm, to two decimals?")
    assert solution is not None
    assert solution.answer == "368.30"  # 304.8 + 63.5
    chinese = solve("送货单上写着：3磅、500克。合计是多少千克？保留两位小数。")
    assert chinese is not None
    assert chinese.answer == "1.86"  # 1.36077711 + 0.5


@pytest.mark.parametrize("seed", range(60))
def test_days_and_working_days_as_numpy_counts_them(seed: int) -> None:
    task = generate("dates", "zh", seed / 60, Random(seed))
    first, last = (date(*map(int, found)) for found in re.findall(r"(\d+)年(\d+)月(\d+)日", task.user))
    if "工作日" in task.user:
        expected = int(np.busday_count(first, last)) - (first.weekday() < 5) + (last.weekday() < 5)
    else:
        expected = (last - first).days
    assert task.answer == str(expected)


@pytest.mark.parametrize("seed", range(60))
def test_traced_code_prints_what_python_prints(seed: int) -> None:
    task = generate("tracing", "en", seed / 60, Random(seed))
    code = task.user.split("```python\n")[1].split("\n```")[0]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})  # noqa: S102 - the code was generated here
    assert task.answer == printed.getvalue().strip()


@pytest.mark.parametrize("seed", range(30))
def test_a_puzzle_has_the_one_answer_that_trying_every_order_leaves(seed: int) -> None:
    task = generate("logic", "en", seed / 40, Random(seed))
    before = [tuple(pair) for pair in re.findall(r"^(\w+) is served before (\w+)\.", task.user, re.MULTILINE)]
    before += [(a, b) for b, a in re.findall(r"^(\w+) is served later than (\w+)\.", task.user, re.MULTILINE)]
    people = sorted({person for pair in before for person in pair})
    orders = [each for each in itertools.permutations(people) if all(each.index(a) < each.index(b) for a, b in before)]
    place = re.search(r"number (\d+)", task.user)
    assert len(orders) == 1
    assert place is not None
    assert task.answer == orders[0][int(place[1]) - 1]


def test_sorting_and_rewriting_by_hand() -> None:
    queue = solve(
        "Please order the queue below, highest figure first.\n* B12: 7 hours\n* A40: 90 hours\n* C33: 15 hours\n"
        "Give only the codes, separated by commas."
    )
    assert queue is not None
    assert queue.answer == "A40, C33, B12"
    assert "A40, B12, C33" in queue.slips
    code = solve(
        "Customer code AB12CD has to be migrated as follows: reverse it; remove all digits; move the first 1 characters to "
        "the end; replace every B by X. State the resulting code."
    )
    assert code is not None
    assert code.answer == "CXAD"  # DC21BA, DCBA, CBAD, CXAD


def test_extraction_by_hand_and_its_look_alikes() -> None:
    text = (
        "Case 1.\n\nIt replaces the cancelled invoice R-11111. Our invoice number is R-22222. Amount to pay: 1250.50 in "
        "all. A reminder fee of 15.00 was waived. We invoice in EUR. Payment is due by 2026-01-31.\n\n"
        "Return a JSON object with the keys total, invoice_number, currency."
    )
    solution = solve(text)
    assert solution is not None
    assert json.loads(solution.answer) == {"total": 1250.5, "invoice_number": "R-22222", "currency": "EUR"}
    assert solution.accepts('Here it is:\n```json\n{"currency": "EUR", "total": 1250.50, "invoice_number": "R-22222"}\n```')
    assert not solution.accepts('{"currency": "EUR", "total": 1250.50}')
    assert all(isinstance(json.loads(slip), dict) for slip in solution.slips)


# Texts from outside.


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), families, languages, st.integers(0, 10**6))
def test_no_text_breaks_the_solvers(text: str, family: str, language: Language, seed: int) -> None:
    solve(text)
    task = generate(family, language, 0.5, Random(seed))
    at = seed % len(task.user)
    solve(task.user[:at] + text + task.user[at:])
    solve(task.user[:at] + text + task.user[at + 5 :])


@pytest.mark.parametrize(
    "code",
    [
        "x = 1\nwhile x:\n    x = 1\nprint(x)",
        "import os\nprint(1)",
        "print(__import__('os').getcwd())",
        "x = 0\nfor i in range(1000000000):\n    x += 1\nprint(x)",
        "x = 9\nfor i in range(100):\n    x = x * x\nprint(x)",
        "x = [1]\nprint(x[7])",
        "print(1 // 0)",
        "x = 'a' * 10\nprint(x)",
        "(" * 3000,
        "print(" + "-" * 15000 + "1)",
        "print(undefined)",
    ],
)
def test_code_outside_the_small_language_is_not_run(code: str) -> None:
    assert solve(f"What does this Python snippet print?\n```python\n{code}\n```") is None


def test_what_is_no_task_is_not_recognised() -> None:
    assert solve("How are you?") is None
    assert solve("") is None
    task = generate("dates", "en", 0.2, Random(1))
    assert solve(task.user + " " * READABLE) is None
    assert solve("Callers are waiting, one after the other:\nAna is served before Bo.\nCy is served before Bo.\n"
                 "Who is number 1 in the queue?") is None  # fmt: skip
    assert (
        solve("The invoice is dated 2026-02-30 and was paid on 2026-03-01. How many days passed between the two dates?")
        is None
    )


def test_numbers_in_answers_are_compared_as_numbers() -> None:
    solution = solve(
        "The invoice is dated 2026-03-01 and was paid on 2026-03-11. How many days passed between the two dates?"
    )
    assert solution is not None
    assert solution.answer == "10"
    assert solution.accepts("From 1 to 11 March that is 10.0")
    assert not solution.accepts("10 or 11")
    assert not solution.accepts("none")
    assert Decimal(solution.answer) == 10


def test_every_feature_declares_a_check_that_grades_its_kind() -> None:
    wanted = {"exact": Grader("exact", "case"), "numeric": Grader("numeric", "0.001"), "json_fields": Grader("json_fields")}
    for feature in features().values():
        assert sum(share.share for share in feature.mix) == pytest.approx(1)
        assert {wanted[task.kind] for task in feature.tasks(50, 0)} == {feature.grader}
