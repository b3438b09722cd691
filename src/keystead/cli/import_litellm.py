"""`keystead import-litellm`: from a LiteLLM proxy's configuration to a document."""

from pathlib import Path

import click

from keystead.cli.document_file import read_text, write_yaml
from keystead.cli.litellm.translate import translate
from keystead.cli.problem import CommandError
from keystead.cli.yaml_tree import YamlError, read_yaml


@click.command("import-litellm")
@click.argument("file")
@click.option("--output", "-o", metavar="FILE", default="-", help="Where to write the document; - is standard output.")
def command(file: str, *, output: str) -> None:
    """Turn FILE, the config.yaml of a LiteLLM proxy, into a document for `keystead config`.

    Keys become references and are never copied. Every setting without a counterpart is told with its line.
    """
    try:
        tree = read_yaml(read_text(file))
    except YamlError as error:
        raise CommandError(
            f"{file}:{error.line}: {error.message}", fault="caller", next_step="Mend the file, then try again."
        ) from error
    found = translate(tree)
    text = write_yaml(found.document)
    if output == "-":
        click.echo(text, nl=False)
    else:
        _write(Path(output), text)
    for finding in found.findings:
        click.echo(f"{file}:{finding.line}: {finding.setting}: {finding.message}", err=True)
    counts = {name: len(found.document.get(name, {})) for name in ("credentials", "routes", "limits")}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    click.echo(f"{told}; {len(found.findings)} to look at.", err=True)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise CommandError(
            f"{path} is there already.", fault="caller", next_step="Name another file, or remove that one."
        ) from None
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written ({error.strerror}).", fault="caller", next_step="Check its name and rights."
        ) from error
