// The page that tells what was predicted, and why not.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { Status } from "./protocol";

const SCHEME = "zeta-context";
const URI = vscode.Uri.from({ scheme: SCHEME, path: "Zeta status" });

export class StatusPage implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly registered = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);

  constructor(private readonly agent: LanguageClient) {}

  async show(): Promise<void> {
    this.changed.fire(URI);
    await vscode.window.showTextDocument(URI, { preview: true });
  }

  async provideTextDocumentContent(): Promise<string> {
    return describe(await this.agent.sendRequest<Status>("zeta/status", {}));
  }

  dispose(): void {
    this.registered.dispose();
    this.changed.dispose();
  }
}

function describe(status: Status): string {
  const { telemetry, trusted } = status.environment;
  const counts = Object.entries(status.counts).map(([name, n]) => `${String(n).padStart(6)}  ${name}`);
  const recent = [...status.recent]
    .reverse()
    .map((one) => `${new Date(one.at * 1000).toLocaleTimeString()}  ${one.reason}  ${one.place}`);
  return [
    `protocol ${status.protocol}, process ${status.pid}, ${status.documents} documents`,
    `telemetry ${telemetry ? "on" : "off"}, workspace ${trusted ? "trusted" : "not trusted"}`,
    "",
    ...counts,
    "",
    ...recent,
  ].join("\n");
}
