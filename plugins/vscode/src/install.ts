// Installs the program, with uv or pipx, from the clone that this extension was built in.
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";

declare const BUILT_IN: string;

const INSTALLERS = [
  ["uv", "tool", "install", "--force"],
  ["pipx", "install", "--force"],
];

// Where uv and pipx put it, which need not be in the PATH of the editor.
export function ownProgram(): string | undefined {
  const folder = path.join(os.homedir(), ".local", "bin");
  return ["zeta-context", "zeta-context.exe"]
    .map((name) => path.join(folder, name))
    .find((file) => fs.existsSync(file));
}

function source(): string {
  const clone = path.join(BUILT_IN, "..", "..");
  return fs.existsSync(path.join(clone, "zeta_context", "cli", "main.py")) ? clone : "zeta-context";
}

function run(command: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command[0], command.slice(1), (error, _, stderr) => {
      resolve(error ? stderr.trim() || error.message : undefined);
    });
  });
}

export async function install(): Promise<void> {
  const location = vscode.ProgressLocation.Notification;
  for (const installer of INSTALLERS) {
    if ((await run([installer[0], "--version"])) !== undefined) {
      continue;
    }
    const command = [...installer, source()];
    const title = `Zeta: ${command.join(" ")}`;
    const failure = await vscode.window.withProgress({ location, title }, () => run(command));
    if (failure !== undefined) {
      void vscode.window.showErrorMessage(`Zeta was not installed: ${failure}`);
    } else if (await vscode.window.showInformationMessage("Zeta is installed.", "Reload Window")) {
      await vscode.commands.executeCommand("workbench.action.reloadWindow");
    }
    return;
  }
  void vscode.window.showErrorMessage("Zeta: install uv or pipx first, or set zetaContext.program.");
}
