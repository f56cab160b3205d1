// Shows a prediction behind the lines that it changes; nothing of the text is moved.
import * as vscode from "vscode";
import type { Block, Prediction } from "./protocol";

const removed = vscode.window.createTextEditorDecorationType({
  textDecoration: "line-through",
  backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
});
const behind = vscode.window.createTextEditorDecorationType({
  after: { color: new vscode.ThemeColor("editorGhostText.foreground"), fontStyle: "italic" },
});

export const decorations = [removed, behind];

// Blanks at either end and runs of them would be shown as one.
function visible(text: string): string {
  return text.replace(/ /g, "\u00a0").replace(/\t/g, "\u00a0\u00a0\u00a0\u00a0");
}

function annotate(editor: vscode.TextEditor, line: number, text: string): vscode.DecorationOptions {
  const row = Math.max(0, Math.min(line, editor.document.lineCount - 1));
  const end = editor.document.lineAt(row).range.end;
  return {
    range: new vscode.Range(end, end),
    renderOptions: { after: { contentText: visible(text) } },
  };
}

function describe(block: Block): { line: number; text: string } | undefined {
  if (block.ghost) {
    return { line: block.ghost.position.line, text: block.ghost.text.replace(/\r?\n/g, " ⏎ ") };
  }
  const rows = block.rows.filter((row) => row.added.length > 0).map((row) => row.text.trim());
  const line = Math.max(block.endLine - 1, 0);
  return rows.length > 0 ? { line, text: `  → ${rows.join(" ⏎ ")}` } : undefined;
}

export function clear(): void {
  for (const editor of vscode.window.visibleTextEditors) {
    decorations.forEach((one) => editor.setDecorations(one, []));
  }
}

// `isGhostShown`: the editor itself shows what is added at the cursor.
export function show(editor: vscode.TextEditor, prediction: Prediction, isGhostShown: boolean): void {
  clear();
  const notes: vscode.DecorationOptions[] = [];
  const gone: vscode.Range[] = [];
  if (editor.document.uri.toString() === vscode.Uri.parse(prediction.textDocument.uri).toString()) {
    for (const block of prediction.preview) {
      gone.push(...block.removed.map(toRange));
      const told = block.ghost && isGhostShown ? undefined : describe(block);
      if (told) {
        notes.push(annotate(editor, told.line, told.text));
      }
    }
    const line = prediction.jump.line;
    if (!editor.visibleRanges.some((range) => range.start.line <= line && line <= range.end.line)) {
      const arrow = line < editor.selection.active.line ? "↑" : "↓";
      notes.push(annotate(editor, editor.selection.active.line, `  ${arrow} line ${line + 1}`));
    }
  } else {
    const file = vscode.workspace.asRelativePath(vscode.Uri.parse(prediction.textDocument.uri));
    const told = `  → ${file}:${prediction.jump.line + 1}`;
    notes.push(annotate(editor, editor.selection.active.line, told));
  }
  editor.setDecorations(removed, gone);
  editor.setDecorations(behind, notes);
}

// Tells of an edit that waits in a file that is not open.
export function showJump(editor: vscode.TextEditor, why: string): void {
  clear();
  editor.setDecorations(behind, [annotate(editor, editor.selection.active.line, `  → ${why}`)]);
}

export function toRange(range: Block["removed"][number]): vscode.Range {
  return new vscode.Range(
    range.start.line,
    range.start.character,
    range.end.line,
    range.end.character,
  );
}
