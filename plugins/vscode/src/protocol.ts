// The messages of docs/protocol.md, version 1, as far as they are used here.
import type { Position, Range } from "vscode-languageclient/node";

export const PROTOCOL = 1;

export interface Edit {
  range: Range;
  newText: string;
}

export interface Block {
  startLine: number;
  endLine: number;
  rows: { text: string; added: [number, number][] }[];
  removed: Range[];
  ghost: { position: Position; text: string } | null;
}

export interface Prediction {
  id: string;
  textDocument: { uri: string; version: number };
  edits: Edit[];
  jump: Position;
  cursor: Position;
  parts: { word: Edit[]; line: Edit[] };
  preview: Block[];
  why: string;
}

export type Part = keyof Prediction["parts"];

// Where an edit waits in a file that is not open.
export interface Jump {
  id: string;
  uri: string;
  position: Position;
  why: string;
}

export interface Answer {
  prediction: Prediction | null;
  jump?: Jump;
  reason?: string;
  detail?: string;
}

export interface Status {
  protocol: number;
  pid: number;
  documents: number;
  environment: { telemetry: boolean; trusted: boolean };
  counts: Record<string, number>;
  recent: { at: number; reason: string; place: string }[];
}
