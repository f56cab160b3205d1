// The editor's own switches, as the agent is told them: each can only forbid that examples are kept.
import * as vscode from "vscode";
import { State } from "vscode-languageclient/node";
import type { LanguageClient, StaticFeature } from "vscode-languageclient/node";

// In a browser the editor may go on calling it enabled after the setting has changed: both must say so.
function read(): { telemetry: boolean; trusted: boolean } {
  const level = vscode.workspace.getConfiguration("telemetry").get("telemetryLevel", "all");
  return {
    telemetry: vscode.env.isTelemetryEnabled && level === "all",
    trusted: vscode.workspace.isTrusted,
  };
}

// Each agent is told at its handshake, and whenever something changes.
export function tellEnvironment(agent: LanguageClient): vscode.Disposable {
  const feature: StaticFeature = {
    fillClientCapabilities: (capabilities) => {
      capabilities.experimental = { ...capabilities.experimental, zetaContext: read() };
    },
    initialize: () => undefined,
    getState: () => ({ kind: "static" }),
    clear: () => undefined,
  };
  agent.registerFeature(feature);
  const tell = () => {
    if (agent.isRunning()) {
      void agent.sendNotification("zeta/didChangeEnvironment", read());
    }
  };
  return vscode.Disposable.from(
    vscode.env.onDidChangeTelemetryEnabled(tell),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("telemetry")) {
        tell();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(tell),
    // What changed between the handshake and its answer.
    agent.onDidChangeState(({ newState }) => newState === State.Running && tell()),
  );
}
