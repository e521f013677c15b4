"""Writes the reference of all IAM roles into docs/iam.md, from the templates that make them.

A statement's reason comes from `suite.iam_reasons`; one without a reason is an error, and so is a reason without
its statement.

usage: python -m suite.iam_doc [--check]
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from suite import section
from suite.iam_reasons import INTRODUCTIONS, MANAGED, STATEMENTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "iam.md"
TEMPLATES = ROOT / "infra" / "templates"

# Pseudo parameters and parameters as a reader knows them; other parameters stand in braces.
_WORDS = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "{account}",
    "AWS::Region": "{region}",
    "AWS::StackName": "{stack}",
    "Prefix": "{prefix}",
    "Name": "{name}",
}

Document = dict[str, Any]


@dataclass
class Role:
    """A role as its template declares it."""

    id: str
    name: str
    trust: Document | None = None
    managed: list[Any] = field(default_factory=list)
    statements: list[Document] = field(default_factory=list)
    boundary: Any = None
    condition: str = ""


class _Template(yaml.SafeLoader):
    """Reads a CloudFormation template; its short functions become the long ones."""


def _long(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Document:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    return {name: loader.construct_scalar(node)}


_Template.add_multi_constructor("!", _long)


def platform_roles() -> Iterator[Role]:
    """The roles of the state machine and the functions, which SAM makes from their policies."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Template)
    for name, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
            properties = resource["Properties"]
            statements = [s for policy in properties.get("Policies", []) for s in policy["Statement"]]
            statements += _attached(template, f"{name}Role")
            yield Role(name, f"{{stack}}-{name}Role-…", statements=statements)


def _attached(template: Document, role: str) -> Iterator[Document]:
    """The statements of a role's policies that are resources of their own, under their conditions."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]:
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                yield {"Fn::If": [resource["Condition"], statement, None]}


def starter_role() -> Role:
    """What delete hooks in target accounts assume."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Template)
    return next(_declared(template))


def environment_role() -> Role:
    """What the stages assume in a target account."""
    template = yaml.load((ROOT / "infra" / "environment-role.yaml").read_text(), _Template)
    return next(_declared(template))


def target_roles() -> Iterator[Role]:
    """The two roles that environments share, then those of an environment, in the order of the stacks."""
    for stack in ("bootstrap", "deletehook", "identity", "egress", "addonroles"):
        yield from _declared(json.loads((TEMPLATES / f"{stack}.json").read_text()))


def undocumented_templates() -> list[str]:
    """The templates with roles that the reference would leave out."""
    read = {"bootstrap", "deletehook", "identity", "egress", "addonroles"}
    # The same flow log, and the same role, in a VPC that is there already.
    same = {"egress-existing": "egress"}
    others = (path for path in sorted(TEMPLATES.glob("*.json")) if path.stem not in read)
    return [path.name for path in others if not _same_roles(path.stem, same.get(path.stem, ""))]


def _same_roles(stack: str, other: str) -> bool:
    """Whether a template has no roles but those of the other one."""
    roles = {name: list(_declared(json.loads((TEMPLATES / f"{name}.json").read_text()))) for name in (stack, other) if name}
    return not roles[stack] or roles[stack] == roles.get(other)


def _declared(template: Document) -> Iterator[Role]:
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        properties = resource["Properties"]
        trust = properties["AssumeRolePolicyDocument"]
        if "Fn::Sub" in trust:
            trust = json.loads(trust["Fn::Sub"])
        # A policy of the same template is managed only because it is too long to be inline.
        attached = [(arn, template["Resources"].get(arn.get("Ref"))) for arn in properties.get("ManagedPolicyArns", [])]
        policies = properties.get("Policies", []) + [own["Properties"] for _, own in attached if own]
        yield Role(
            name,
            text(properties.get("RoleName", name)),
            trust,
            [arn for arn, own in attached if not own],
            [s for policy in policies for s in policy["PolicyDocument"]["Statement"]],
            properties.get("PermissionsBoundary"),
            resource.get("Condition", ""),
        )


def text(value: Any) -> str:
    """A value of a template as a reader would write it."""
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", lambda match: _WORDS.get(match[1], f"{{{match[1]}}}"), value)
    if isinstance(value, list):
        return ", ".join(map(text, value))
    (function, argument), *_ = value.items()
    if function == "Fn::Sub":
        return text(argument if isinstance(argument, str) else argument[0])
    if function == "Ref":
        return text(f"${{{argument}}}")
    if function == "Fn::GetAtt":
        return "{" + (argument if isinstance(argument, str) else ".".join(argument)) + "}"
    if function == "Fn::Join":
        return argument[0].join(map(text, argument[1]))
    if function == "Fn::Split":
        return text(argument[1])
    if function == "Fn::Select":
        return _part(*argument)
    if function == "Fn::If":
        return text(argument[1])
    raise ValueError(f"no words for {value}")


def _part(index: int | str, split: Any) -> str:
    """A part of a list. The fifth of an ARN is its account, the one that templates take out."""
    whole = text(split)
    return f"{{account of {whole.strip('{}')}}}" if int(index) == 4 else f"{{part {int(index) + 1} of {whole.strip('{}')}}}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _actions(statement: Document) -> str:
    """The actions, each service named once."""
    services: dict[str, list[str]] = {}
    for action in _list(statement["Action"]):
        service, _, name = action.partition(":")
        services.setdefault(service, []).append(name)
    lines = [f"`{service}:` {', '.join(names)}".replace("*", "\\*") for service, names in services.items()]
    return ("not allowed, whatever else allows it: " if statement["Effect"] == "Deny" else "") + "<br>".join(lines)


def _conditions(statement: Document) -> str:
    parts = []
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            parts.append(f"`{text(key)}` {operator} `{text(value)}`")
    return ", ".join(parts)


def _resource(statement: Document) -> str:
    where = "<br>".join(f"`{text(resource)}`" for resource in _list(statement["Resource"]))
    conditions = _conditions(statement)
    return f"{where}<br>if {conditions}" if conditions else where


def _trust(trust: Document) -> str:
    parts = []
    for declared in trust["Statement"]:
        statement, only = _plain(declared)
        (kind, principal), *_ = statement["Principal"].items()
        conditions = _conditions(statement)
        part = f"`{text(principal)}`" + (" (web identity)" if kind == "Federated" else "") + (f" if {conditions}" if conditions else "")
        parts.append(part + (f", under the template's condition `{only}`" if only else ""))
    return "; ".join(parts)


class Reasons:
    """Looks reasons up, and knows which are missing and which are left over."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self._used: set[tuple[str, str]] = set()

    def of(self, table: str, reasons: dict[str, str], *keys: str) -> str:
        """The reason under the first key that has one."""
        for key in keys:
            if key in reasons:
                self._used.add((table, key))
                return reasons[key]
        self.missing.append(f"{keys[0]} has no reason in tests/suite/iam_reasons.py")
        return ""

    def left(self) -> list[str]:
        """The reasons that nothing has asked for."""
        tables = {"introduction": INTRODUCTIONS, "statement": STATEMENTS, "managed": MANAGED}
        return [
            f"the {table} {key} of tests/suite/iam_reasons.py has nothing to explain"
            for table, reasons in tables.items()
            for key in reasons
            if (table, key) not in self._used
        ]


def _plain(statement: Document) -> tuple[Document, str]:
    """A statement, and the condition of the template that it stands under."""
    if "Fn::If" in statement:
        condition, inner, _ = statement["Fn::If"]
        return inner, condition
    return statement, ""


def _rows(role: Role, reasons: Reasons) -> list[str]:
    rows = []
    for policy in role.managed:
        name = text(policy).rpartition("/")[2]
        rows.append(f"| managed policy `{name}` | | {reasons.of('managed', MANAGED, f'{role.id}/{name}', name)} |")
    for declared in role.statements:
        statement, condition = _plain(declared)
        sid = statement.get("Sid", "")
        why = reasons.of("statement", STATEMENTS, f"{role.id}/{sid}", sid)
        only = f"; only under the template's condition `{condition}`" if condition else ""
        rows.append(f"| {_actions(statement)} | {_resource(statement)} | {why}{only} |")
    return rows


def _role(role: Role, reasons: Reasons) -> list[str]:
    lines = ["", f"### `{role.name}`", "", reasons.of("introduction", INTRODUCTIONS, role.id)]
    facts = []
    if role.trust:
        facts.append(f"- May be assumed by: {_trust(role.trust)}")
    if role.boundary:
        facts.append(f"- Permissions boundary: `{text(role.boundary)}`")
    if role.condition:
        facts.append(f"- Made under the template's condition `{role.condition}`")
    if facts:
        lines += ["", *facts]
    return [*lines, "", "| Actions | Resources | Why |", "|---|---|---|", *_rows(role, reasons)]


def _functions(roles: list[Role], reasons: Reasons) -> list[str]:
    """One row per statement, with all functions that have it."""
    holders: dict[str, list[str]] = {}
    for role in roles:
        for row in _rows(role, reasons):
            holders.setdefault(row, []).append(role.id)
    everyone = [role.id for role in roles]
    lines = ["| Functions | Actions | Resources | Why |", "|---|---|---|---|"]
    for row, names in holders.items():
        without = [name for name in everyone if name not in names]
        if len(names) > len(without):
            who = "all but " + ", ".join(f"`{name}`" for name in without)
        else:
            who = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {who} {row}")
    return lines


def reference(reasons: Reasons) -> str:
    """All roles, in the order in which a request meets them."""
    platform = list(platform_roles())
    machine = [role for role in platform if role.id == "StateMachine"]
    lines = ["## Platform account"]
    for role in machine:
        lines += _role(role, reasons)
    lines += ["", "### The functions' roles", ""]
    lines += _functions([role for role in platform if role not in machine], reasons)
    lines += _role(starter_role(), reasons)
    lines += ["", "## Target account: shared by all environments", *_role(environment_role(), reasons)]
    bootstrap, hook, *environment = target_roles()
    lines += [*_role(bootstrap, reasons), *_role(hook, reasons), "", "## Target account: one environment"]
    for role in environment:
        lines += _role(role, reasons)
    return "\n".join(lines)


def main() -> int:
    """Writes the reference, or with --check says whether it is current."""
    reasons = Reasons()
    body = reference(reasons)
    problems = reasons.missing + reasons.left()
    problems += [f"{name} has roles that tests/suite/iam_doc.py does not read" for name in undocumented_templates()]
    if not problems:
        problem = section.update(DOCUMENT, "roles", body, check="--check" in sys.argv[1:])
        problems = [problem] if problem else []
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
