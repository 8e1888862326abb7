"""Cython code that is compiled again where the compiler or what it is told is another.

Brian2 keeps compiled modules by their code. Those of another session, compiled with other flags,
would be taken here, and give other last digits.
"""

from __future__ import annotations

import functools
import hashlib

from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.targets import codegen_targets

from ..cpp.build import cpu, describe_compiler, find_compiler


@functools.cache
def _built_by(compiler: str) -> str:
    """Name what compiles; the processor, too, as programs are compiled for it."""
    text = f"{compiler} {describe_compiler()} {cpu()}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class MarkedCode(CythonCodeObject):
    """Cython code that begins with what compiles it."""

    class_name = "cython_marked"

    def compile_block(self, block: str):
        """Compile one block; see Brian2's `CythonCodeObject`."""
        code = getattr(self.code, block, "").strip()
        told = (self.extra_compile_args, self.define_macros, self.libraries, self.extra_link_args)
        mark = f"# {_built_by(find_compiler() or '')} {told!r}"
        setattr(self.code, block, f"{mark}\n{code}" if code else "")
        return super().compile_block(block)


codegen_targets.add(MarkedCode)
