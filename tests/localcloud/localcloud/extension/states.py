"""Step Functions: what MiniStack's interpreter lets pass and AWS does not.

A definition must be a machine; starting the same execution twice is one execution; a path that
leads nowhere is States.Runtime, which no States.ALL catches, instead of null; a machine may invoke
only what its own role allows; a result or an output above 256 KiB ends the execution.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import contextvars
import functools
import json
from typing import Any

from ministack.services import lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

from localcloud.extension import rights

_LIMIT = 262_144
_UNCATCHABLE = ("States.Runtime", "States.DataLimitExceeded")

_role: contextvars.ContextVar[str] = contextvars.ContextVar("role of the machine that runs", default="")


def install() -> None:
    """Make the interpreter stricter."""
    stepfunctions._resolve_params_obj = _strict_parameters(stepfunctions._resolve_params_obj)
    stepfunctions._apply_input_path = _strict_path(stepfunctions._apply_input_path, "InputPath")
    stepfunctions._apply_output_path = _strict_path(stepfunctions._apply_output_path, "OutputPath")
    stepfunctions._evaluate_rule = _strict_rule(stepfunctions._evaluate_rule)
    stepfunctions._error_matches = _strict_match(stepfunctions._error_matches)
    stepfunctions._execute_task = _with_role(stepfunctions._execute_task)
    stepfunctions._call_lambda = _checked_invocation(stepfunctions._call_lambda)
    for execute in ("_execute_pass", "_execute_task", "_execute_parallel"):
        setattr(stepfunctions, execute, _limited(getattr(stepfunctions, execute)))
    stepfunctions._start_execution = _idempotent(stepfunctions._start_execution)
    stepfunctions._create_state_machine = _with_definition(stepfunctions._create_state_machine)
    stepfunctions._update_state_machine = _with_definition(stepfunctions._update_state_machine)
    handlers = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    handlers["create"] = _resource_with_definition(handlers["create"])


def _idempotent(original: Any) -> Any:
    """StartExecution with the name and input of an execution that runs answers with that execution."""

    @functools.wraps(original)
    def start(data: dict[str, Any]) -> Any:
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn", ""))
        if machine and data.get("name"):
            arn = f"{machine['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{data['name']}"
            execution = stepfunctions._executions.get(arn)
            if execution and execution["status"] == "RUNNING" and execution["input"] == data.get("input", "{}"):
                return stepfunctions.json_response({"executionArn": arn, "startDate": execution["startDate"]})
        return original(data)

    return start


def _with_definition(original: Any) -> Any:
    @functools.wraps(original)
    def save(data: dict[str, Any]) -> Any:
        if "definition" in data:
            problem = definition_problem(data["definition"])
            if problem:
                return stepfunctions.error_response_json("InvalidDefinition", f"Invalid State Machine Definition: '{problem}'", 400)
        return original(data)

    return save


def _resource_with_definition(original: Any) -> Any:
    """The CloudFormation type writes its record itself, so the definition is looked at afterwards."""

    @functools.wraps(original)
    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        arn, attributes = original(logical_id, properties, stack)
        problem = definition_problem(stepfunctions._state_machines[arn]["definition"])
        if problem:
            stepfunctions._state_machines.pop(arn)
            raise ValueError(f"Invalid State Machine Definition: '{problem}'")
        return arn, attributes

    return create


def definition_problem(text: str) -> str:
    """What is structurally wrong with a definition: not JSON, or a transition that leads nowhere."""
    try:
        machine = json.loads(text)
    except json.JSONDecodeError as error:
        return f"INVALID_JSON_DESCRIPTION: {error}"
    return _machine_problem(machine, "/States")


def _machine_problem(machine: Any, path: str) -> str:
    states = machine.get("States") if isinstance(machine, dict) else None
    if not isinstance(states, dict) or machine.get("StartAt") not in states:
        return f"MISSING_TRANSITION_TARGET: StartAt at {path}"
    for name, state in states.items():
        targets = [state[key] for key in ("Next", "Default") if key in state]
        targets += [rule["Next"] for key in ("Catch", "Choices") for rule in state.get(key, []) if "Next" in rule]
        missing = [target for target in targets if target not in states]
        if missing:
            return f"MISSING_TRANSITION_TARGET: {missing[0]} at {path}/{name}"
        if state.get("Type") not in ("Choice", "Succeed", "Fail") and "Next" not in state and state.get("End") is not True:
            return f"MISSING_END_STATE: {path}/{name}"
        nested = [*state.get("Branches", []), *([state[k] for k in ("Iterator", "ItemProcessor") if k in state])]
        for number, branch in enumerate(nested):
            problem = _machine_problem(branch, f"{path}/{name}/Branches[{number}]/States")
            if problem:
                return problem
    return ""


def _require(path: Any, field: str, data: Any, context: Any) -> None:
    """Fail as AWS does when a reference path leads nowhere."""
    if not isinstance(path, str) or not path.startswith("$") or path in ("$", "$$"):
        return
    of_context = path.startswith("$$")
    source = context or {} if of_context else data
    if not _leads_somewhere(path[1:] if of_context else path, source):
        shown = json.dumps(source, default=str)[:1000]
        raise stepfunctions._ExecutionError(
            "States.Runtime", f"The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{shown}'"
        )


def _leads_somewhere(path: str, data: Any) -> bool:
    for kind, key in stepfunctions._parse_jsonpath_tokens(path) or []:
        if kind not in ("field", "index"):
            return True  # wildcards and filters may be empty
        if not _has(data, kind, key):
            return False
        data = data[key]
    return True


def _has(data: Any, kind: str, key: Any) -> bool:
    if kind == "field":
        return isinstance(data, dict) and key in data
    return isinstance(data, list) and key < len(data)


def _strict_parameters(original: Any) -> Any:
    @functools.wraps(original)
    def resolve(template: Any, data: Any, ctx: Any = None) -> Any:
        # Called again for every nested object, so only this level is looked at.
        if isinstance(template, dict):
            for key, value in template.items():
                if key.endswith(".$"):
                    _require(value, key, data, ctx)
        return original(template, data, ctx)

    return resolve


def _strict_path(original: Any, field: str) -> Any:
    @functools.wraps(original)
    def apply(state: dict[str, Any], data: Any, ctx: Any = None) -> Any:
        _require(state.get(field), field, data, ctx)
        return original(state, data, ctx)

    return apply


def _strict_rule(original: Any) -> Any:
    @functools.wraps(original)
    def evaluate(rule: dict[str, Any], data: Any, ctx: Any = None) -> Any:
        if "IsPresent" not in rule:
            _require(rule.get("Variable"), "Variable", data, ctx)
        return original(rule, data, ctx)

    return evaluate


def _strict_match(original: Any) -> Any:
    @functools.wraps(original)
    def matches(wanted: list[str], error: str) -> bool:
        return error not in _UNCATCHABLE and original(wanted, error)

    return matches


def _with_role(original: Any) -> Any:
    @functools.wraps(original)
    def execute(state: dict[str, Any], data: Any, execution: dict[str, Any], ctx: Any) -> Any:
        machine = stepfunctions._state_machines.get((execution or {}).get("stateMachineArn", "")) or {}
        token = _role.set(machine.get("roleArn", ""))
        try:
            return original(state, data, execution, ctx)
        finally:
            _role.reset(token)

    return execute


def _checked_invocation(original: Any) -> Any:
    @functools.wraps(original)
    def invoke(reference: str, event: Any) -> Any:
        role = _role.get()
        _, config, _ = lambda_svc._get_func_record_for_ref(reference)
        if role and config:
            resource = reference if reference.startswith("arn:") else config["FunctionArn"]
            if not rights.role_allows(role, "lambda:InvokeFunction", resource):
                raise stepfunctions._ExecutionError(
                    "Lambda.AWSLambdaException",
                    f"User: {role} is not authorized to perform: lambda:InvokeFunction on resource: {resource} because no"
                    " identity-based policy allows the lambda:InvokeFunction action",
                )
        result = original(reference, event)
        _require_limit(result)
        return result

    return invoke


def _limited(original: Any) -> Any:
    """A Parallel state's output is what it was given and what each branch has returned."""

    @functools.wraps(original)
    def execute(state: dict[str, Any], data: Any, *more: Any) -> Any:
        output, following = original(state, data, *more)
        _require_limit(output)
        return output, following

    return execute


def _require_limit(document: Any) -> None:
    if len(json.dumps(document)) > _LIMIT:
        raise stepfunctions._ExecutionError(
            "States.DataLimitExceeded",
            "The state/task returned a result with a size exceeding the maximum number of bytes service limit.",
        )
