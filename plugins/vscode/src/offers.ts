// The prediction on offer: asked for, shown, applied, turned down.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import * as display from "./display";
import type { Answer, Edit, Jump, Part, Prediction } from "./protocol";

const MOVED_MS = 80;

export class Offers implements vscode.InlineCompletionItemProvider {
  private prediction: Prediction | undefined;
  private jump: Jump | undefined;
  private asked = 0;
  private shownId = "";
  private timer: NodeJS.Timeout | undefined;
  private accepting: Promise<void> = Promise.resolve();

  constructor(
    private readonly agent: LanguageClient,
    private readonly tell: (text: string, tooltip: string) => void,
  ) {}

  private isEnabled(): boolean {
    return vscode.workspace.getConfiguration("zetaContext").get("enabled", true);
  }

  private find(prediction: Prediction): vscode.TextDocument | undefined {
    const uri = vscode.Uri.parse(prediction.textDocument.uri).toString();
    return vscode.workspace.textDocuments.find((one) => one.uri.toString() === uri);
  }

  // The prediction that can be accepted now: not one for an older text.
  current(): Prediction | undefined {
    const prediction = this.prediction;
    const document = prediction && this.find(prediction);
    return document?.version === prediction?.textDocument.version ? prediction : undefined;
  }

  clear(): void {
    if (this.prediction || this.jump) {
      this.tell("zeta", "");
    }
    this.prediction = undefined;
    this.jump = undefined;
    display.clear();
    void vscode.commands.executeCommand("setContext", "zetaContext.hasPrediction", false);
  }

  // Typing asks by way of the editor's own inline completion; this is for all else that moves.
  askSoon(trigger: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const editor = vscode.window.activeTextEditor;
      if (!editor) {
        return;
      }
      if (this.current()) {
        this.show(editor);
      } else {
        void this.ask(editor.document, editor.selection.active, trigger);
      }
    }, MOVED_MS);
  }

  async ask(
    document: vscode.TextDocument,
    position: vscode.Position,
    trigger: string,
    isAsked = false,
  ): Promise<Prediction | undefined> {
    if (!this.isEnabled() || !this.agent.isRunning()) {
      return undefined;
    }
    const number = ++this.asked;
    let answer: Answer | null = null;
    try {
      answer = await this.agent.sendRequest<Answer | null>("zeta/predict", {
        textDocument: { uri: document.uri.toString() },
        position: { line: position.line, character: position.character },
        trigger,
        busy: isSelecting(document) ? ["selection"] : [],
      });
    } catch {
      return undefined; // a newer question took its place
    }
    if (number !== this.asked) {
      return undefined;
    }
    this.clear();
    this.prediction = answer?.prediction ?? undefined;
    const prediction = this.current();
    if (!prediction) {
      this.tell("zeta", answer?.jump?.why || answer?.detail || answer?.reason || "");
      this.offerJump(answer?.jump);
      return undefined;
    }
    const count = prediction.edits.length;
    this.tell(`zeta: ${count} edit${count === 1 ? "" : "s"}`, prediction.why);
    void vscode.commands.executeCommand("setContext", "zetaContext.hasPrediction", true);
    const editor = vscode.window.activeTextEditor;
    if (editor) {
      this.show(editor, isAsked);
    }
    return prediction;
  }

  private offerJump(jump: Jump | undefined): void {
    const editor = vscode.window.activeTextEditor;
    if (jump && editor) {
      this.jump = jump;
      void vscode.commands.executeCommand("setContext", "zetaContext.hasPrediction", true);
      display.showJump(editor, jump.why);
    }
  }

  // Open the file in which an edit waits, and ask about it there.
  private async openFile(jump: Jump): Promise<void> {
    this.clear();
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(jump.uri));
    const place = new vscode.Position(jump.position.line, jump.position.character);
    const range = new vscode.Range(place, place);
    await vscode.window.showTextDocument(document, { selection: range });
    await this.ask(document, place, "other");
  }

  // `isAsked`: the editor has asked for text at the cursor, and gets it.
  private show(editor: vscode.TextEditor, isAsked = false): void {
    const prediction = this.current();
    if (!prediction) {
      return;
    }
    const isGhost = isGhostOn() && this.asItem(prediction, editor.selection.active) !== undefined;
    display.show(editor, prediction, isGhost);
    if (isGhost && !isAsked) {
      // It asks for such text by itself only while the user types.
      void vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    }
    if (this.shownId !== prediction.id) {
      this.shownId = prediction.id;
      void this.agent.sendNotification("zeta/didShow", { id: prediction.id });
    }
  }

  // What only adds text at the cursor is shown by the editor itself.
  private asItem(
    prediction: Prediction,
    position: vscode.Position,
  ): vscode.InlineCompletionItem | undefined {
    const [block] = prediction.preview;
    const [edit] = prediction.edits;
    if (prediction.preview.length !== 1 || prediction.edits.length !== 1 || !block.ghost) {
      return undefined;
    }
    const range = display.toRange(edit.range);
    if (!range.isEmpty || !range.start.isEqual(position)) {
      return undefined;
    }
    return new vscode.InlineCompletionItem(edit.newText, range, {
      title: "accepted",
      command: "zetaContext.accepted",
      arguments: [prediction.id],
    });
  }

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
  ): Promise<vscode.InlineCompletionItem[]> {
    const isTyping = context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic;
    const prediction =
      this.current() ?? (await this.ask(document, position, isTyping ? "buffer_edit" : "explicit", true));
    const item = prediction && this.asItem(prediction, position);
    return item ? [item] : [];
  }

  accepted(id: string): void {
    this.clear();
    void this.agent.sendNotification("zeta/didAccept", { id });
  }

  // One key after the other, however fast they come.
  accept(part?: Part): Promise<void> {
    this.accepting = this.accepting.then(() => this.goOrTake(part)).catch(() => undefined);
    return this.accepting;
  }

  // Go to the prediction, or take it (or its next part) where the cursor is in its line.
  private async goOrTake(part?: Part): Promise<void> {
    if (this.jump) {
      return this.openFile(this.jump);
    }
    const prediction = this.current();
    const document = prediction && this.find(prediction);
    if (!prediction || !document) {
      return;
    }
    const place = new vscode.Position(prediction.jump.line, prediction.jump.character);
    const active = vscode.window.activeTextEditor;
    if (active?.document !== document || active.selection.active.line !== place.line) {
      const editor = await vscode.window.showTextDocument(document);
      editor.selection = new vscode.Selection(place, place);
      editor.revealRange(
        new vscode.Range(place, place),
        vscode.TextEditorRevealType.InCenterIfOutsideViewport,
      );
      this.show(editor);
      return;
    }
    const edits = part ? prediction.parts[part] : prediction.edits;
    this.clear();
    if (!(await apply(active, edits))) {
      return;
    }
    if (!part) {
      const after = new vscode.Position(prediction.cursor.line, prediction.cursor.character);
      active.selection = new vscode.Selection(after, after);
    }
    const told = { id: prediction.id, ...(part && { partial: true }) };
    await this.agent.sendNotification("zeta/didAccept", told);
    const trigger = part ? "prediction_partially_accepted" : "prediction_accepted";
    await this.ask(document, active.selection.active, trigger);
  }

  async reject(): Promise<void> {
    const offered = this.jump ?? this.current();
    if (offered) {
      this.clear();
      this.tell("zeta", "rejected");
      await this.agent.sendNotification("zeta/didReject", {
        id: offered.id,
        reason: "rejected",
      });
    }
  }
}

function isGhostOn(): boolean {
  return vscode.workspace.getConfiguration("editor").get("inlineSuggest.enabled", true);
}

// As one step of undo.
function apply(editor: vscode.TextEditor, edits: Edit[]): Thenable<boolean> {
  return editor.edit(
    (builder) => {
      for (const edit of edits) {
        builder.replace(display.toRange(edit.range), edit.newText);
      }
    },
    { undoStopBefore: true, undoStopAfter: true },
  );
}

function isSelecting(document: vscode.TextDocument): boolean {
  const editor = vscode.window.activeTextEditor;
  return editor?.document === document && !editor.selection.isEmpty;
}
