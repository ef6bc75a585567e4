// Vercel's `ai` package, driven from Python: one JSON object a line in, one a line out.
//
// Asked:    {sdk, base, key, model, call, prompt, options, tools, schema, leaveAfter}
//           `call`: a name of `calls`; `tools`: the tool `weather` may be called, in at most three steps; `schema`: text calls
//           shall bring a city as an object; `leaveAfter`: abort after so many pieces of text. {abort: true} aborts what runs.
// Answered: what the package made of it, or its `error`; `replies` is what came over the wire, for a check against the
//           published schemas. The package itself reads every reply and every event through its zod schemas.

import { createInterface } from "node:readline";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, isStepCount, Output, streamObject, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;

const city = z.strictObject({ name: z.string(), people: z.number().int() });
const weather = tool({
  description: "Look the weather up.",
  inputSchema: z.strictObject({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});

const models = {
  "openai.chat": (at) => createOpenAI(at).chat(at.model),
  "openai.responses": (at) => createOpenAI(at).responses(at.model),
  anthropic: (at) => createAnthropic(at)(at.model),
  google: (at) => createGoogle(at)(at.model),
  "openai-compatible": (at) =>
    createOpenAICompatible({ ...at, name: "pointsman", includeUsage: true, supportsStructuredOutputs: true })(at.model),
};

const calls = {
  generateText: async (options) => said(await generateText(options)),
  streamText: async (options, asked, heard) => {
    const result = streamText({ ...options, onError: () => {} });
    await listen(result.stream, asked, heard);
    return said(result);
  },
  generateObject: async (options) => {
    const { object, finishReason, usage } = await generateObject({ ...options, schema: city });
    return { output: object, finish: finishReason, usage: counts(usage) };
  },
  streamObject: async (options, asked, heard) => {
    const result = streamObject({ ...options, schema: city, onError: () => {} });
    await listen(result.fullStream, asked, heard);
    return { output: await result.object, finish: await result.finishReason, usage: counts(await result.usage) };
  },
};

async function said(result) {
  const steps = await result.steps;
  return {
    text: await result.text,
    reasoning: steps.map((step) => step.reasoningText ?? "").join(""),
    calls: steps.flatMap((step) => step.toolCalls.map((call) => [call.toolName, call.input])),
    output: steps.length === 1 ? await Promise.resolve(result.output).catch(() => null) : null,
    finish: await result.finishReason,
    usage: counts(await result.usage),
  };
}

const counts = (usage) => [usage.inputTokens, usage.outputTokens, usage.inputTokenDetails?.cacheReadTokens ?? 0];

// Reads a stream to its end. Raises what it reports.
async function listen(stream, asked, heard) {
  let raised;
  for await (const part of stream) {
    heard.parts.push(part.type);
    if (part.type === "text-delta") {
      heard.pieces.push(part.text ?? part.textDelta);
      if (heard.pieces.length === asked.leaveAfter) leaving.abort();
    }
    if (part.type === "error") raised ??= part.error;
    if (part.type === "abort") raised ??= leaving.signal.reason;
  }
  if (raised) throw raised;
}

// A fetch that keeps what comes back.
function recording(replies) {
  return async (url, init) => {
    const response = await fetch(url, init);
    const reply = { status: response.status, headers: Object.fromEntries(response.headers), body: "" };
    replies.push(reply);
    const decoder = new TextDecoder();
    const keep = new TransformStream({
      transform(chunk, controller) {
        reply.body += decoder.decode(chunk, { stream: true });
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body?.pipeThrough(keep), response);
  };
}

let leaving = new AbortController();

async function answer(asked) {
  leaving = new AbortController();
  const heard = { parts: [], pieces: [], replies: [] };
  const at = { baseURL: asked.base, apiKey: asked.key, model: asked.model, fetch: recording(heard.replies) };
  const options = {
    model: models[asked.sdk](at),
    instructions: "Be brief.",
    prompt: asked.prompt,
    maxRetries: 0,
    abortSignal: leaving.signal,
    ...(asked.tools ? { tools: { weather }, stopWhen: isStepCount(3) } : {}),
    ...(asked.schema ? { output: Output.object({ schema: city }) } : {}),
    ...asked.options,
  };
  try {
    return { ...heard, ...(await calls[asked.call](options, asked, heard)) };
  } catch (error) {
    const { name, message, statusCode, isRetryable, responseHeaders, data } = error;
    return { ...heard, error: { name, message, status: statusCode, isRetryable, headers: responseHeaders, data } };
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const asked = JSON.parse(line);
  if (asked.abort) leaving.abort();
  else process.stdout.write(`${JSON.stringify(await answer(asked))}\n`);
});
