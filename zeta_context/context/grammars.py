"""Which grammar reads which language, and what its outline and identifiers look like, as data.

Knows nothing of trees or texts: `syntax.py` compiles the queries. A new language is one entry of
`GRAMMARS` and its wheel in pyproject.

An outline query captures each item under its kind (`@function`, `@class` ...), its `@name`, and
its `@body` where it has one; `@header` marks the header where it is a node of its own. A
`wrappers` node (a decorated definition, an export) belongs to the item that it wraps. An
identifier query captures every name that a definition could be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """A tree-sitter grammar: the function of a wheel's module that gives it, and its queries."""

    name: str
    module: str
    function: str = "language"
    outline: str = ""
    identifiers: str = ""
    wrappers: frozenset[str] = frozenset()


_PYTHON = """
(class_definition name: (_) @name body: (_) @body) @class
(function_definition name: (_) @name body: (_) @body) @function
"""

_JAVASCRIPT = """
(function_declaration name: (_) @name body: (_) @body) @function
(generator_function_declaration name: (_) @name body: (_) @body) @function
(method_definition name: (_) @name body: (_) @body) @method
(class_declaration name: (_) @name body: (_) @body) @class
(variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
"""

_JAVASCRIPT_FIELDS = """
(field_definition property: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
"""

_TYPESCRIPT = (
    _JAVASCRIPT
    + """
(public_field_definition name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
(abstract_class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(type_alias_declaration name: (_) @name) @type
(internal_module name: (_) @name body: (_) @body) @module
(module name: (_) @name body: (_) @body) @module
(function_signature name: (_) @name) @function
(method_signature name: (_) @name) @method
(abstract_method_signature name: (_) @name) @method
"""
)

_RUST = """
(function_item name: (_) @name body: (_) @body) @function
(function_signature_item name: (_) @name) @function
(struct_item name: (_) @name body: (_)? @body) @struct
(union_item name: (_) @name body: (_) @body) @struct
(enum_item name: (_) @name body: (_) @body) @enum
(trait_item name: (_) @name body: (_) @body) @trait
(impl_item type: (_) @name body: (_) @body) @impl
(mod_item name: (_) @name body: (_)? @body) @module
(macro_definition name: (_) @name) @macro
(const_item name: (_) @name) @constant
(static_item name: (_) @name) @constant
(type_item name: (_) @name) @type
"""

_GO = """
(function_declaration name: (_) @name body: (_)? @body) @function
(method_declaration name: (_) @name body: (_)? @body) @method
(type_spec name: (_) @name type: (struct_type (field_declaration_list) @body)) @struct
(type_spec name: (_) @name type: (interface_type) @body) @interface
(type_alias name: (_) @name) @type
"""

_C = """
(function_definition declarator: (_) @name body: (_) @body) @function
(struct_specifier name: (_) @name body: (_) @body) @struct
(union_specifier name: (_) @name body: (_) @body) @struct
(enum_specifier name: (_) @name body: (_) @body) @enum
(type_definition declarator: (_) @name) @type
(preproc_function_def name: (_) @name) @macro
"""

_CPP = (
    _C
    + """
(class_specifier name: (_) @name body: (_) @body) @class
(namespace_definition name: (_)? @name body: (_) @body) @module
"""
)

_JAVA = """
(class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(record_declaration name: (_) @name body: (_) @body) @class
(annotation_type_declaration name: (_) @name body: (_) @body) @interface
(method_declaration name: (_) @name body: (_)? @body) @method
(constructor_declaration name: (_) @name body: (_) @body) @method
"""

_RUBY = """
(module name: (_) @name body: (_)? @body) @module
(class name: (_) @name body: (_)? @body) @class
(method name: (_) @name body: (_)? @body) @method
(singleton_method name: (_) @name body: (_)? @body) @method
"""

GRAMMARS: dict[str, Grammar] = {
    grammar.name: grammar
    for grammar in (
        Grammar(
            name="python",
            module="tree_sitter_python",
            outline=_PYTHON,
            identifiers="(identifier) @id",
            wrappers=frozenset({"decorated_definition"}),
        ),
        Grammar(
            name="javascript",
            module="tree_sitter_javascript",
            outline=_JAVASCRIPT + _JAVASCRIPT_FIELDS,
            identifiers="""[(identifier) (property_identifier) (private_property_identifier)
              (shorthand_property_identifier) (shorthand_property_identifier_pattern)] @id""",
            wrappers=frozenset({"export_statement", "lexical_declaration", "variable_declaration"}),
        ),
        *(
            Grammar(
                name=name,
                module="tree_sitter_typescript",
                function=f"language_{name}",
                outline=_TYPESCRIPT,
                identifiers="""[(identifier) (type_identifier) (property_identifier)
                  (private_property_identifier) (shorthand_property_identifier)
                  (shorthand_property_identifier_pattern)] @id""",
                wrappers=frozenset(
                    {"export_statement", "lexical_declaration", "variable_declaration"}
                ),
            )
            for name in ("typescript", "tsx")
        ),
        Grammar(
            name="rust",
            module="tree_sitter_rust",
            outline=_RUST,
            identifiers="""[(identifier) (type_identifier) (field_identifier)
              (shorthand_field_identifier)] @id""",
        ),
        Grammar(
            name="go",
            module="tree_sitter_go",
            outline=_GO,
            identifiers="""[(identifier) (type_identifier) (field_identifier)
              (package_identifier)] @id""",
            wrappers=frozenset({"type_declaration"}),
        ),
        Grammar(
            name="c",
            module="tree_sitter_c",
            outline=_C,
            identifiers="[(identifier) (type_identifier) (field_identifier)] @id",
        ),
        Grammar(
            name="cpp",
            module="tree_sitter_cpp",
            outline=_CPP,
            identifiers="""[(identifier) (type_identifier) (field_identifier)
              (namespace_identifier)] @id""",
            wrappers=frozenset({"template_declaration"}),
        ),
        Grammar(
            name="java",
            module="tree_sitter_java",
            outline=_JAVA,
            identifiers="[(identifier) (type_identifier)] @id",
        ),
        Grammar(
            name="ruby",
            module="tree_sitter_ruby",
            outline=_RUBY,
            identifiers="""[(identifier) (constant) (instance_variable) (class_variable)
              (global_variable)] @id""",
        ),
        Grammar(
            name="bash",
            module="tree_sitter_bash",
            outline="(function_definition name: (_) @name body: (_) @body) @function",
            identifiers="(variable_name) @id (command_name (word) @id)",
        ),
        Grammar(
            name="json",
            module="tree_sitter_json",
            outline="(pair key: (_) @name value: [(object) (array)] @body) @key",
        ),
        Grammar(
            name="yaml",
            module="tree_sitter_yaml",
            outline="(block_mapping_pair key: (_) @name value: (block_node) @body) @key",
            identifiers="[(alias_name) (anchor_name)] @id",
        ),
        Grammar(
            name="toml",
            module="tree_sitter_toml",
            outline="""
(table . [(bare_key) (dotted_key) (quoted_key)] @name @header) @key
(table_array_element . [(bare_key) (dotted_key) (quoted_key)] @name @header) @key
""",
        ),
        Grammar(
            name="html",
            module="tree_sitter_html",
            outline="(element (start_tag (tag_name) @name) @header) @element",
        ),
        Grammar(
            name="css",
            module="tree_sitter_css",
            outline="""
(rule_set (selectors) @name (block) @body) @rule
(keyframes_statement (keyframes_name) @name (keyframe_block_list) @body) @rule
(media_statement (block) @body) @rule
""",
            identifiers="[(class_name) (id_name)] @id",
        ),
        Grammar(
            name="markdown",
            module="tree_sitter_markdown",
            outline="""
(section (atx_heading heading_content: (_)? @name) @header) @section
(section (setext_heading heading_content: (_) @name) @header) @section
""",
        ),
    )
}

_ALIASES = {
    "javascriptreact": "javascript",
    "jsx": "javascript",
    "typescriptreact": "tsx",
    "shellscript": "bash",
    "sh": "bash",
    "zsh": "bash",
    "shell": "bash",
    "jsonc": "json",
    "c++": "cpp",
    "golang": "go",
    "py": "python",
    "js": "javascript",
    "ts": "typescript",
    "rs": "rust",
    "rb": "ruby",
    "yml": "yaml",
    "md": "markdown",
    "vue-html": "html",
}

_SUFFIXES = {
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".rs": "rust",
    ".go": "go",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".hxx": "cpp",
    ".java": "java",
    ".rb": "ruby",
    ".rake": "ruby",
    ".gemspec": "ruby",
    ".sh": "bash",
    ".bash": "bash",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".html": "html",
    ".htm": "html",
    ".css": "css",
    ".md": "markdown",
    ".markdown": "markdown",
}

_FILE_NAMES = {"Gemfile": "ruby", "Rakefile": "ruby", "Cargo.lock": "toml", ".bashrc": "bash"}


def find_grammar(language: str, path: str = "") -> Grammar | None:
    """The grammar for a language, by the name an editor gives it, or else by the file's suffix.

    `path` decides between TypeScript and TSX where the editor calls both the same. None when
    there is no grammar: the file is plain text then.
    """
    suffix = PurePosixPath(path).suffix.lower()
    name = language.lower()
    name = _ALIASES.get(name, name)
    if name == "typescript" and suffix == ".tsx":
        name = "tsx"
    if not name:
        name = _FILE_NAMES.get(PurePosixPath(path).name) or _SUFFIXES.get(suffix, "")
    return GRAMMARS.get(name)


def language_of(path: str) -> str:
    """The name of the language that a path suggests; empty when there is no telling."""
    grammar = find_grammar("", path)
    return grammar.name if grammar else ""
