// Joins the agent, the offers and the editor's commands.
import { execFile } from "node:child_process";
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { createAgent, findMismatch, program } from "./agent";
import { decorations } from "./display";
import { tellEnvironment } from "./environment";
import { find, install } from "./install";
import { Offers } from "./offers";
import { StatusPage } from "./status";

let stop: (() => Promise<void>) | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const bar = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right);
  bar.command = "zetaContext.status";
  bar.text = "zeta: starting";
  bar.show();
  const agent = createAgent(context.globalStorageUri.fsPath);
  const offers = new Offers(agent, (text, tooltip) => {
    bar.text = text;
    bar.tooltip = tooltip;
  });
  const statusPage = new StatusPage(agent);
  const on = (name: string, work: (...given: never[]) => unknown) =>
    context.subscriptions.push(vscode.commands.registerCommand(`zetaContext.${name}`, work));
  on("accept", () => offers.accept());
  on("acceptWord", () => offers.accept("word"));
  on("acceptLine", () => offers.accept("line"));
  on("accepted", (id: string) => offers.accepted(id));
  on("reject", () => offers.reject());
  on("predict", () => {
    const editor = vscode.window.activeTextEditor;
    return editor && offers.ask(editor.document, editor.selection.active, "explicit");
  });
  on("status", () => statusPage.show());
  // The words are the program's own, and the decision is made there.
  on("consent", () => runInTerminal("consent", "status"));
  on("install", () => install());
  on("wrong", () => writeWrong(agent));
  context.subscriptions.push(
    bar,
    statusPage,
    tellEnvironment(agent),
    ...decorations,
    vscode.languages.registerInlineCompletionItemProvider({ pattern: "**" }, offers),
    vscode.window.onDidChangeTextEditorSelection(() => offers.askSoon("other")),
    vscode.window.onDidChangeTextEditorVisibleRanges(() => offers.askSoon("other")),
    vscode.window.onDidChangeActiveTextEditor(() => offers.clear()),
    vscode.workspace.onDidChangeTextDocument((event) => {
      if (event.contentChanges.length > 0) {
        offers.clear();
        offers.askSoon("buffer_edit");
      }
    }),
  );
  stop = () => agent.dispose();
  try {
    if (!find(program())) {
      throw new Error("it is not installed");
    }
    await agent.start();
  } catch {
    bar.text = "$(warning) zeta";
    bar.tooltip = `${program()} does not start: the command "Zeta: Install the Program" installs it`;
    bar.command = "zetaContext.install";
    return;
  }
  bar.text = "zeta";
  const mismatch = findMismatch(agent);
  if (mismatch) {
    bar.text = "$(warning) zeta";
    bar.tooltip = mismatch;
  }
}

export function deactivate(): Promise<void> | undefined {
  return stop?.();
}

function runInTerminal(...command: string[]): void {
  const terminal = vscode.window.createTerminal("zeta-context");
  terminal.show();
  terminal.sendText([program(), ...command].join(" "));
}

// The state at the cursor as a scenario, written by the program on this machine.
async function writeWrong(agent: LanguageClient): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    return;
  }
  const state = await agent.sendRequest("zeta/state", {
    textDocument: { uri: editor.document.uri.toString() },
    position: editor.selection.active,
  });
  const child = execFile(program(), ["wrong"], (error, stdout, stderr) => {
    const told = error ? stderr.trim() : `Written to ${stdout.trim()}`;
    void vscode.window.showInformationMessage(`Zeta: ${told}`);
  });
  child.stdin?.end(JSON.stringify(state));
}
