"""Every exception this library raises on purpose, in one tree.

    ZetaError
    ├── TextError            an offset, span or position that the text does not have
    │   ├── OutOfRange
    │   └── PatchError       a diff that cannot be parsed or does not apply
    ├── DocumentError        a document in a state that the call does not fit
    │   ├── NotOpen
    │   ├── VersionGap
    │   ├── StaleSnapshot
    │   ├── OutsideProject   a file that lies in no open project, or leaves its own by a link
    │   └── Unreadable       gone, binary, or in an encoding that cannot be told
    ├── TraceError           a recorded session that cannot be read or written
    ├── RepositoryError      git state that cannot be read
    ├── LspError             a language server that cannot be used
    │   ├── FramingError     bytes that are no base-protocol message
    │   ├── ServerGone       it could not start, died, or closed its stream
    │   ├── RequestTimeout
    │   └── ResponseError    it answered with an error object
    ├── PromptError          a prompt that cannot be made or an output that cannot be read
    │   ├── SpecialTokens    the text holds a marker of the prompt format
    │   ├── OverBudget
    │   └── OutputError      the model's output is not in the format
    ├── RunnerError          a model that cannot be run, or cannot be asked
    │   ├── ModelRefused     its files are missing, damaged, unsafe, or not made for the format
    │   ├── ContextOverflow  the prompt does not fit the model's context window
    │   ├── OutOfMemory
    │   ├── RunnerGone       the process or server that ran it is gone, or was never there
    │   ├── RunnerTimeout
    │   ├── RunnerBusy       a server wants to be left alone for a while
    │   ├── RemoteNotAllowed a server on another machine that the user has not allowed
    │   └── BadAnswer        a server answered with something that is no completion
    ├── ConsentError         a consent that cannot be given or written down
    ├── CaptureError         a collected record that cannot be kept, read or sent
    │   └── SpoolUnusable    the spool's file is damaged, foreign, or of a newer version
    ├── RolloutError         a variant manifest or outcomes that cannot be used
    ├── EvalError            an example or a run that cannot be read, scored or compared
    ├── IngestError          the collection server's settings or stores cannot be used
    ├── DatasetError         examples that cannot be read, made or used
    └── SettingsError        a setting with a value that cannot be used

What is expected to happen (no prediction, a late answer, a missing consent) is a value, never one
of these: see `zeta_context.predict.prediction.Discarded`. Messages say what happened, with which
value, and what to do; they never hold buffer text.
"""


class ZetaError(Exception):
    """The root: catch it to catch everything that this library raises on purpose."""


class TextError(ZetaError):
    """An offset, span or position that the text does not have."""


class OutOfRange(TextError):
    """An offset or row outside the text."""


class PatchError(TextError):
    """A diff that cannot be parsed, or that does not apply to the text it was given."""


class DocumentError(ZetaError):
    """A document in a state that the call does not fit."""


class NotOpen(DocumentError):
    """The document was never opened, or was closed."""


class VersionGap(DocumentError):
    """An edit carries a version that does not follow the one we hold: resend the whole text."""


class StaleSnapshot(DocumentError):
    """Edits made against a text that has changed since."""


class OutsideProject(DocumentError):
    """A file that lies in no open project, or leaves its own through a symbolic link."""


class Unreadable(DocumentError):
    """A file that is gone, binary, or in an encoding that cannot be told."""


class TraceError(ZetaError):
    """A recorded session that cannot be read or written."""


class RepositoryError(ZetaError):
    """Git state that cannot be read."""


class LspError(ZetaError):
    """A language server that cannot be used."""


class FramingError(LspError):
    """Bytes that are no base-protocol message."""


class ServerGone(LspError):
    """The server could not be started, died, or closed its stream."""


class RequestTimeout(LspError):
    """The server did not answer in time; the request was cancelled."""


class ResponseError(LspError):
    """The server answered with an error object; `code` is its number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"language server error {code}: {message}")
        self.code = code


class PromptError(ZetaError):
    """A prompt that cannot be made, or a model output that cannot be read."""


class SpecialTokens(PromptError):
    """The text holds a marker of the prompt format, so the model could not tell them apart."""


class OverBudget(PromptError):
    """The part that may not be cut does not fit the token budget."""


class OutputError(PromptError):
    """The model's output is not in the format it was asked for."""


class RunnerError(ZetaError):
    """A model that cannot be run, or cannot be asked."""


class ModelRefused(RunnerError):
    """Model files that are missing, damaged, unsafe, or not made for the prompt format."""


class ContextOverflow(RunnerError):
    """The prompt does not fit the model's context window."""


class OutOfMemory(RunnerError):
    """The model, or the memory of what it has read, does not fit the device."""


class RunnerGone(RunnerError):
    """The process or server that ran the model is gone, or was never there."""


class RunnerTimeout(RunnerError):
    """The answer did not come in time; the request was cancelled."""


class RunnerBusy(RunnerError):
    """A server wants to be left alone for a while: `retry_after_s` seconds from now."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RemoteNotAllowed(RunnerError):
    """A server on another machine that the user has not allowed in their own configuration."""


class BadAnswer(RunnerError):
    """A server answered with something that is no completion."""


class ConsentError(ZetaError):
    """A consent that cannot be given, or written down."""


class CaptureError(ZetaError):
    """A collected record that cannot be kept, read or sent."""


class SpoolUnusable(CaptureError):
    """The spool's file is damaged, not ours, or written by a newer version."""


class RolloutError(ZetaError):
    """A variant manifest, a key or outcomes that cannot be used."""


class EvalError(ZetaError):
    """An example or an evaluation run that cannot be read, scored or compared."""


class IngestError(ZetaError):
    """The collection server's settings or stores cannot be used."""


class DatasetError(ZetaError):
    """Examples that cannot be read, made or used."""


class SettingsError(ZetaError):
    """A setting with a value that cannot be used."""
