"""How answers of Claude models are drawn, as far as they let themselves be told. Pure."""

from keystead.dialects.anthropic_messages.models import Taken
from keystead.domain.chat import ChatRequest, Loss


def sampling(request: ChatRequest, model: Taken, *, by_budget: bool, losses: list[Loss]) -> dict[str, float | int]:
    """Return how answers are drawn; `by_budget`: the model thinks to a budget.

    A model that takes no such parameter refuses it. To leave it out is what its makers advise, and no caller who sets a
    temperature by habit is helped by a refusal.
    """
    asked: dict[str, float | int] = {
        name: value
        for name, value in (
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("top_k", request.top_k),
        )
        if value is not None
    }
    if model.sampling == "none" or (model.sampling == "one" and by_budget):
        losses += [Loss(field=name, grave=False) for name, value in asked.items() if value != 1 or name == "top_k"]
        return {}
    if model.sampling == "one" and {"temperature", "top_p"} <= asked.keys():
        left_out = "temperature" if asked["temperature"] == 1 else "top_p"
        if asked.pop(left_out) != 1:
            losses.append(Loss(field=left_out, grave=False))
    if asked.get("temperature", 0) > 1:
        losses.append(Loss(field="temperature", grave=False))
        asked["temperature"] = 1
    return asked
