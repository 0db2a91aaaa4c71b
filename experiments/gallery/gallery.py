"""Draw the gallery by its config, and write the page that shows it: python experiments/gallery/gallery.py."""

import shutil
from pathlib import Path

import jconv

HERE = Path(__file__).parent
INTRODUCTION = """# Gallery

**Question.** What does a convolution look like?

**Config.** [`gallery`](../../configs/gallery.yaml): every figure of `jconv.draw`, in light and dark.

**Command.** `python experiments/gallery/gallery.py`, which is `jconv run gallery` and this page. One figure, with other
numbers: `jconv draw arithmetic --input 5 --window 3 --stride 2 --padding 1 --out a.gif`.

Each figure's words stand below it; they are in the file too, and in the records.
"""


def main() -> None:
    """Write `run/` and `README.md`."""
    shutil.rmtree(HERE / "run", ignore_errors=True)
    results = jconv.lab.run("gallery", out=HERE / "run")
    (HERE / "run" / "report.html").unlink()
    drawn = {(line["layer"], line["formulation"]): line for line in results}
    parts = [INTRODUCTION]
    for name in dict.fromkeys(line["layer"] for line in results):
        light, dark = (drawn[name, theme] for theme in ("light", "dark"))
        parts.append(
            f'## {name}\n\n<picture><source media="(prefers-color-scheme: dark)" srcset="run/{dark["picture"]}">'
            f'<img src="run/{light["picture"]}" alt="{name}" width="600"></picture>\n\n{light["text"]}\n'
        )
    (HERE / "README.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
