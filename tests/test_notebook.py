"""The notebook for Colab runs from top to bottom, says what it should, and stays small."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
client = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[1] / "experiments" / "colab.ipynb"

pytestmark = pytest.mark.skipif(not NOTEBOOK.exists(), reason="the notebook is not beside the tests")


def test_every_cell_runs(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output
    )
    assert "No accelerator: everything below runs on the CPU." in printed
    assert "the same one by one: True" in printed
    assert "the same gradients" in printed


def test_it_is_committed_small_with_what_it_printed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert NOTEBOOK.stat().st_size < 400_000
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 6
    assert not any(output.output_type == "error" for cell in shown for output in cell.outputs)
