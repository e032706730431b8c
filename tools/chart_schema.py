"""Brings modgud's configuration into the schema of the chart's values, so that `helm` finds a wrong key of `config` at once.

    python3 tools/chart_schema.py        (after `cargo run -- config --schema > deploy/modgud.schema.json`)

It replaces `config` and the definitions of modgud in deploy/helm/modgud/values.schema.json, and leaves the rest as it is written there.
The names of modgud's definitions begin with a capital, those of the chart with a small letter. `make deploy-check` compares both files.
"""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
VALUES = ROOT / "deploy/helm/modgud/values.schema.json"


def main():
    configuration = json.loads((ROOT / "deploy/modgud.schema.json").read_text())
    values = json.loads(VALUES.read_text())
    own = {name: schema for name, schema in values["$defs"].items() if not name[0].isupper()}
    values["$defs"] = own | configuration.pop("$defs")
    values["properties"]["config"] = {key: value for key, value in configuration.items() if key not in ("$schema", "title")}
    VALUES.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
