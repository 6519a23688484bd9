"""The model card, as its readers read it."""

import html
import re
from dataclasses import replace

import pytest
import yaml

from app.classifier.metadata import CoverageScores, Metadata
from app.classifier.preparation import Preparation
from tests.conftest import make_metadata
from tests.training.conftest import make_split
from training.data.datasets import Dataset, LeftOut
from training.results.card import render_card

ODD = (
    "Ba$$in",
    "a|b",
    "*x*",
    "<script>",
    ":smile:",
    "a\nb",
    " a ",
    "null",
    "'q' \"q\"",
    "水",
    "- x",
    "# y",
    "{{z}}",
    "é: 1",
)


def card(metadata: Metadata, data: Dataset, command: str = "python -m training fit") -> str:
    return render_card(metadata, data, command=command, seconds=1.0)


def dataset(labels: tuple[str, ...]) -> Dataset:
    count = len(labels)
    return Dataset("parts", labels, make_split(10 * count, count), make_split(2 * count, count))


def test_the_header_has_any_name_as_it_is() -> None:
    for name in ODD:
        metadata = make_metadata(labels=ODD).model_copy(update={"name": name, "dataset": name})

        _, header, _ = card(metadata, dataset(ODD)).split("---\n", 2)

        read = yaml.safe_load(header)
        assert read["model-index"][0]["name"] == name
        assert read["datasets"] == [name]
        assert read["tags"] == ["softmax-regression"]


def test_the_tables_have_any_name_as_it_is() -> None:
    text = card(make_metadata(labels=ODD), dataset(ODD))

    rows = re.findall(r"^\| (.*) \| 0\.900 \| 0\.900 \| 0\.900 \| 10 \| 10 \|$", text, re.MULTILINE)
    assert tuple(map(html.unescape, rows)) == ODD


def test_there_is_no_licence_unless_one_is_given() -> None:
    metadata, data = make_metadata(), dataset(make_metadata().labels)

    assert "license" not in card(metadata, data)
    assert "\nlicense: cc-by-4.0\n" in card(metadata.model_copy(update={"license": "cc-by-4.0"}), data)


def test_what_was_left_out_and_done_to_the_images_is_said() -> None:
    metadata = make_metadata().model_copy(update={"preparation": Preparation(resize=True)})
    data = replace(dataset(metadata.labels), left_out=(LeftOut("Bag", "damaged", ("a.png", "b.png", "c.png")),))

    text = card(metadata, data)

    assert "| files left out | 3 of 123 (3 of Bag: damaged) |" in text
    assert "| pixels | 28×28 grayscale / 255, fitted into 28×28 |" in text


def test_sets_of_all_classes_are_said_to_say_nothing() -> None:
    metadata = make_metadata()
    count = len(metadata.labels)
    coverages = tuple(
        CoverageScores(coverage=coverage, measured_coverage=1.0, mean_set_size=size)
        for coverage, size in ((0.9, 1.5), (0.95, count), (0.99, count))
    )
    evaluation = metadata.evaluation.model_copy(update={"coverages": coverages})

    text = card(metadata.model_copy(update={"evaluation": evaluation}), dataset(metadata.labels))

    said = (
        f"A set of all {count} classes says nothing. Validation images: 0.95 takes at least 19, 0.99 takes at least 99."
    )
    assert f"\n\n{said}\n\n" in text
    assert "says nothing" not in card(make_metadata(), dataset(metadata.labels))


@pytest.mark.parametrize("command", ["fit", "fit ```x```", "fit --out 'a````b'"])
def test_the_command_is_one_block_of_code(command: str) -> None:
    text = card(make_metadata(), dataset(make_metadata().labels), command)

    [(_, shown)] = re.findall(r"^(`{3,})\n(.*?)\n\1$", text.partition("\n| on the")[0], re.MULTILINE | re.DOTALL)
    assert shown == command


def test_the_lines_for_plain_torch_give_the_models_answers() -> None:
    text = card(make_metadata(), dataset(make_metadata().labels))

    assert 'load_file("model.safetensors")' in text
