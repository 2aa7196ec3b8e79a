import { bar } from "./bar.mjs";

export function main({ words }) {
  const widest = Math.max(...words.map(([word]) => word.length));
  return words.map(([word, count]) => `${word.padStart(widest)} ${bar(count)} ${count}`).join("\n");
}
