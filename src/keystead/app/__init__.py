"""The composition root: settings in, a serving process out. The only place that names concrete back ends.

`first_start` prepares the data folder, `process` wires the rooms of one worker, `server` runs them under uvicorn.
"""

from keystead.app.server import serve

__all__ = ["serve"]
