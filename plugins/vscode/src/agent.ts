// The process that predicts: started with the settings, and again when it ends.
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";
import { find } from "./install";
import { CloseAction, ErrorAction, LanguageClient } from "vscode-languageclient/node";
import { PROTOCOL } from "./protocol";

const MAX_RESTARTS = 6;
const RESTART_WINDOW_MS = 600_000;
const SECTIONS = ["context", "model", "remote", "session"];

export function program(): string {
  const told = vscode.workspace.getConfiguration("zetaContext").get("program", "zeta-context");
  return find(told) ?? told;
}

function toToml(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(toToml).join(", ")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)} = ${toToml(one)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(value);
}

// The user's settings as the file that the program reads; nothing where none is set, so that the
// user's own config.toml holds. A workspace cannot set them: their scope is the machine.
function writeSettings(folder: string): string | undefined {
  const configuration = vscode.workspace.getConfiguration("zetaContext");
  const sections: string[] = [];
  for (const section of SECTIONS) {
    const lines: string[] = [];
    for (const key of Object.keys(configuration.get<object>(section) ?? {})) {
      const value = configuration.inspect(`${section}.${key}`)?.globalValue;
      if (value !== undefined) {
        lines.push(`${key} = ${toToml(value)}`);
      }
    }
    if (lines.length > 0) {
      sections.push(`[${section}]\n${lines.join("\n")}\n`);
    }
  }
  if (sections.length === 0) {
    return undefined;
  }
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, "config.toml");
  fs.writeFileSync(file, sections.join("\n"), { mode: 0o600 });
  return file;
}

export function createAgent(storage: string): LanguageClient {
  const config = writeSettings(storage);
  const starts: number[] = [];
  const env = { ...process.env, ...(config && { ZETA_CONTEXT_CONFIG: config }) };
  return new LanguageClient(
    "zetaContext",
    "Zeta Context",
    { command: program(), args: ["serve"], options: { env } },
    {
      documentSelector: [
        { scheme: "file" },
        { scheme: "untitled" },
        { scheme: "vscode-notebook-cell" },
      ],
      // What the agent offers to editors without an extension is done here in another way.
      middleware: { executeCommand: () => undefined },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          const now = Date.now();
          starts.push(now);
          const lately = starts.filter((at) => now - at < RESTART_WINDOW_MS).length;
          const action = lately <= MAX_RESTARTS ? CloseAction.Restart : CloseAction.DoNotRestart;
          return { action, handled: true };
        },
      },
    },
  );
}

// What to do where the program speaks another protocol than this extension; undefined: it fits.
export function findMismatch(agent: LanguageClient): string | undefined {
  const told = agent.initializeResult?.capabilities.experimental?.zetaContext;
  if (told?.protocol === PROTOCOL || told?.oldest <= PROTOCOL) {
    return undefined;
  }
  const update = told?.update ?? "uv tool upgrade zeta-context";
  const mend = told?.protocol > PROTOCOL ? "update the extension" : `run: ${update}`;
  return `This extension speaks protocol ${PROTOCOL}, the program ${told?.protocol}: ${mend}`;
}
