"""Metering: what an answer used and what it cost, from the provider's own words, in exact numbers.

`meter` and `read_*` read usage from the bytes of an answer as they pass, into disjoint counts: by provider and
endpoint, because the same words mean different things. `pricing` and its price book turn counts into a cost; `usage`
reads back what was recorded.

Invariants: nothing unknown becomes zero (a source and a cost state say what is known); what looks wrong is flagged
and never hidden; the provider's usage object is kept verbatim, so that any figure can be computed again. No floats.
"""
