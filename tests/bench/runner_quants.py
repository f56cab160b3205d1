"""The weights of a GGUF file in other quantisations, as llama.cpp's own tool would choose them.

Matrices in the wanted kind, the embedding (which is the output, too) in 8 bits at least, all else
in single precision. Written with the package `gguf`; kept beside the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

KINDS = ("Q4_0", "Q8_0", "BF16")


def quantise(source: Path, directory: Path) -> list[Path]:
    """One file for each kind; made once."""
    made = [directory / f"smollm2.{kind}.gguf" for kind in KINDS]
    for path, kind in zip(made, KINDS, strict=True):
        if not path.exists():
            partial = path.with_suffix(".partial")
            _write(source, partial, kind)
            partial.rename(path)
    return made


def _write(source: Path, target: Path, kind: str) -> None:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
    from gguf.quants import dequantize, quantize

    reader = GGUFReader(source)
    architecture = reader.get_field("general.architecture")
    assert architecture is not None
    writer = GGUFWriter(target, arch=architecture.contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            types: list[Any] = list(field.types)
            inner = types[-1] if len(types) > 1 else None
            writer.add_key_value(name, field.contents(), types[0], sub_type=inner)
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type)
        wanted = "F32" if len(tensor.shape) < 2 else kind
        if tensor.name == "token_embd.weight" and kind == "Q4_0":
            wanted = "Q8_0"
        data = weights.astype("float32")
        if wanted != "F32":
            data = quantize(data, GGMLQuantizationType[wanted])
        writer.add_tensor(tensor.name, data, raw_dtype=GGMLQuantizationType[wanted])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
