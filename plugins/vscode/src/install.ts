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

// Where uv, pipx and what they install are, which need not be in the PATH of the editor.
const FOLDERS = [".local/bin", ".cargo/bin"].map((folder) => path.join(os.homedir(), folder));

// The path of a program, by its name or path; undefined: it is not there.
export function find(name: string): string | undefined {
  const names = process.platform === "win32" ? [`${name}.exe`, `${name}.cmd`, name] : [name];
  const folders = path.isAbsolute(name)
    ? [""]
    : [...(process.env.PATH ?? "").split(path.delimiter), ...FOLDERS];
  return folders
    .flatMap((folder) => names.map((one) => path.join(folder, one)))
    .find((file) => fs.existsSync(file));
}

function source(): string {
  const clone = path.join(BUILT_IN, "..", "..");
  return fs.existsSync(path.join(clone, "zeta_context", "cli", "main.py")) ? clone : "zeta-context";
}

function run(command: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    // Where it is looked for afterwards, whatever else they would choose.
    const env = { UV_TOOL_BIN_DIR: FOLDERS[0], PIPX_BIN_DIR: FOLDERS[0], ...process.env };
    execFile(command[0], command.slice(1), { env }, (error, _, stderr) => {
      resolve(error ? stderr.trim() || error.message : undefined);
    });
  });
}

export async function install(): Promise<void> {
  const location = vscode.ProgressLocation.Notification;
  for (const installer of INSTALLERS) {
    const program = find(installer[0]);
    if (program === undefined) {
      continue;
    }
    const command = [program, ...installer.slice(1), source()];
    const title = `Zeta: ${[...installer, source()].join(" ")}`;
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
