"""What the documents say is what the code says."""

import ast
import io
import re
from contextlib import redirect_stdout

import pytest

from eval.data.benchmarks import load_benchmarks
from eval.runs.scoring import score_files
from mirnet.metrics.protocols import PROTOCOLS
from mirnet.metrics.registry import METRICS, OPTIONAL
from tests.support.paths import ROOT

DOCS = ROOT / "mirnet" / "docs"
PAGES = [*DOCS.rglob("*.md"), *(ROOT / "eval" / "docs").glob("*.md"), *ROOT.glob(".github/*.md")]
PAIR = [
    ROOT / "tests/mirnet/metrics/reference" / f"noise_{role}.png" for role in ("restored", "target")
]


def words(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_a_document_names_exist(page):
    named = re.findall(r"\btests/[\w/.]*\w(?![\w{*])", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_threats_name_tests_that_exist():
    text = (DOCS / "security.md").read_text().partition("## Threats")[2].partition("\n## ")[0]
    missing = []
    for row in text.splitlines():
        if not row.startswith("| ") or row.startswith("| threat "):
            continue
        for name, parts in re.findall(
            r"`((?:mirnet|eval)/[\w/]+)`(?: \(([^)]*)\))?", row.split("|")[3]
        ):
            folder, _, stem = name.rpartition("/")
            path = ROOT / "tests" / folder / f"test_{stem}.py"
            content = path.read_text() if path.exists() else ""
            missing += [
                f"{name}: {part}"
                for part in re.findall(r"\w+", parts.partition(";")[0]) or [""]
                if not re.search(rf"def test_\w*{part}", content)
            ]
    assert missing == []


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text()
    for page in PAGES:
        assert page.name == "README.md" or page.name in index


def test_protocols_are_described_as_the_code_has_them():
    text = (ROOT / "eval" / "docs" / "protocols.md").read_text()
    parts = {part.split("`")[1]: part for part in text.split("\n## ") if part.startswith("`")}
    assert list(parts) == list(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        part = words(parts[name])
        assert part.startswith(f"`{name}`: {protocol.title} {protocol.meaning}")
        assert f"- Follows: {protocol.follows} - Used for: " in part
        used = [bench.id for bench in load_benchmarks().values() if name in bench.protocols]
        nothing = "the Restore page, the model cards and, where asked for, any benchmark"
        if name == "perceptual":
            nothing = "any benchmark, where asked for"
        found = re.search(r"- Used for: (.*?) - Agreement:", part)[1]
        assert found == (", ".join(used) or nothing)
        score = score_files(*PAIR, protocol, 4)
        assert f"| `{name}` | {score['psnr_db']:.2f} | {score['ssim']:.4f} |" in text


def test_metrics_are_described_as_the_code_has_them():
    text = (ROOT / "eval" / "docs" / "metrics.md").read_text()
    rows = [line.split(" | ")[:4] for line in text.splitlines() if line.startswith("| ")]
    known = METRICS | OPTIONAL
    table = rows[1 : 1 + len(known)]
    assert [row[1].strip("`") for row in table] == list(known)
    for (title, _, source, better), metric in zip(table, known.values(), strict=True):
        assert title == f"| {metric.title}"
        assert source == metric.source
        assert better == ("higher" if metric.higher_is_better else "lower")
        agreement = text.partition("## Agreement")[2].partition("\n## ")[0]
        assert re.search(rf"^- (PSNR, )?{metric.title}(, SSIM)?: ", agreement, re.MULTILINE)


def environment_names() -> set[str]:
    """Every environment variable that the program asks for, by name or by a constant with it."""
    from mirnet.app.settings import Settings

    found = {f"MIRNET_{name.upper()}" for name in Settings.model_fields}
    for path in [ROOT / "app.py", *(ROOT / "mirnet").rglob("*.py"), *(ROOT / "eval").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        asks = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call | ast.Compare | ast.Subscript)
            and "os.environ" in ast.unparse(node)
        ]
        found |= set(re.findall(r"'([A-Z][A-Z0-9]*_[A-Z0-9_]+)'", " ".join(asks)))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SETTING":
                found.add(ast.literal_eval(node.value))
    return found


def test_every_environment_variable_is_in_the_table_and_no_other():
    text = (DOCS / "deploying.md").read_text().partition("## Environment variables")[2]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([A-Z_]+)`", " ".join(rows)))
    asked = environment_names()
    assert {"MIRNET_STATE_DIR", "MIRNET_DEVICE", "SPACE_ID"} <= asked
    of_libraries = {"HF_TOKEN", *(name for name in asked | named if name.startswith("GRADIO_"))}
    assert named | of_libraries == asked | of_libraries


def test_calculations_in_the_documents_give_what_stands_below_them():
    text = (DOCS / "scaling.md").read_text()
    pairs = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.S)
    assert len(pairs) == 1
    for code, expected in pairs:
        shown = io.StringIO()
        with redirect_stdout(shown):
            exec(code, {})  # noqa: S102
        assert shown.getvalue() == expected


def test_compute_in_the_calculation_is_that_of_the_speed_page():
    speed, scaling = ((DOCS / name).read_text() for name in ("speed.md", "scaling.md"))
    given = ast.literal_eval(re.search(r"GMAC_256 = (\{.*?\})", scaling)[1])
    for name, gmac in given.items():
        assert re.search(rf"^\| {name}\b[^|]*\|[^|]*\| {gmac} \|", speed, re.MULTILINE), name


def test_flags_in_the_documents_exist():
    from mirnet.app.settings import Settings

    known = {f"--{name.replace('_', '-')}" for name in Settings.model_fields}
    for page in [ROOT / "README.md", *PAGES]:
        for line in re.findall(r"python app\.py ([^`\n]*)", page.read_text()):
            assert set(re.findall(r"--[a-z-]+", line)) - {"--help"} <= known, line


def test_the_papers_are_cited_as_the_networks_name_them():
    readme = (ROOT / "README.md").read_text()
    entries = re.findall(r"@\w+\{\w+,.*?\n\}", readme, re.S)
    for entry, module in zip(entries, ("mirnet", "mirnet_v2"), strict=True):
        title, venue_year = re.search(
            r': "(.+?)" \((.+?)\)', (ROOT / "mirnet/models" / f"{module}.py").read_text()
        ).groups()
        assert f"title     = {{{title}}}" in entry
        assert f"year      = {{{venue_year.split()[1]}}}" in entry


def test_names_of_modules_in_docstrings_are_where_they_say():
    """`module.name` of a function or class of this project names a module that has it.

    Names of one word are left out: fields and other packages have the same ones.
    """
    owners: dict[str, set[str]] = {}
    said, imported = [], []
    for path in [*ROOT.glob("mirnet/**/*.py"), *ROOT.glob("eval/**/*.py")]:
        owners.setdefault(path.stem, set()).add(path.parent.name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                owners.setdefault(node.name, set()).update((path.stem, path.parent.name))
            elif isinstance(node, ast.ImportFrom):
                imported += [(alias.asname or alias.name, path.stem) for alias in node.names]
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                pattern = r"(?<!`)`(?:\w+\.)*([a-z_]+)\.(\w+_\w+)`"
                said += [(path, *name) for name in re.findall(pattern, str(node.value.value))]
    for name, module in imported:
        owners.get(name, set()).add(module)
    assert len(said) > 40
    assert [one for one in said if one[2] in owners and one[1] not in owners[one[2]]] == []
