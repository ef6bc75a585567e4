"""The rows: where each provider is, what names its key, what it does differently. Facts only, no I/O.

Strategy: one row per company or API, in the dialect that it speaks best. A row becomes a ``core.routing.Provider`` once a
variable that holds its key is known.

Laws: a row holds no secret and reads no environment; ``base_url`` has no slash at its end, and the dialect's path and
``/models`` go behind it. A quirk stands here only where it is documented and code acts on it.

Base URLs and variables were checked against the providers' own documentation in November 2026, except those of OpenAI (the
official SDK's default) and of Mistral (public client configurations).
"""

import re
from urllib.parse import urlsplit

from msgspec import Struct

from pointsman.core.routing import Provider

API_KEY_HEADER = "api_key_header"
X_API_KEY_HEADER = "x_api_key_header"
NO_STREAM_OPTIONS = "no_stream_options"
VERTEX = "vertex"
BEDROCK = "bedrock_invoke"
AZURE_DEPLOYMENTS = "azure_deployments"

_BEDROCK_HOSTS = r"([a-z0-9-]+\.)?bedrock-runtime(-fips)?\.[a-z0-9-]+\.(vpce\.)?amazonaws\.com(\.cn)?"
_VERTEX_HOSTS = r"([a-z0-9-]+-)?aiplatform\.googleapis\.com|aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com"


def quirks() -> dict[str, str]:
    """Return every quirk by name, with what it means: the only ones that a configuration may name."""
    return {
        API_KEY_HEADER: "the key goes into the header `api-key` instead of `authorization`",
        X_API_KEY_HEADER: "the key goes into the header `x-api-key` instead of `authorization`",
        NO_STREAM_OPTIONS: "`stream_options` is refused; usage comes with the last chunk without being asked for",
        VERTEX: "a project's models on Google Vertex AI: Gemini's or Anthropic's dialect at Vertex's addresses",
        BEDROCK: "Anthropic's dialect at the InvokeModel addresses of Amazon Bedrock",
        AZURE_DEPLOYMENTS: "Azure OpenAI's older addresses `/deployments/NAME/...`; base_url ends in `/openai`",
    }


class Row(Struct, frozen=True):
    """A provider that can be found by its environment variables.

    ``variables`` are the accepted names of the key's variable, the usual one first. ``base_url`` is empty where it
    depends on the customer; then ``url_variable`` names the variable that holds the customer's address, and ``url_path``
    is what belongs behind it, and ``url_form`` how an address is made of less (of a region). ``url_example`` shows such
    a base URL, and ``url_hosts`` is a pattern of the hosts that are the provider's own. ``credential`` is what signs in
    where no variable of the row holds a key. ``price_id`` is the provider's id in genai-prices, None where that package
    does not know it. ``note`` is one sentence for people. ``sdk_variable`` names the variable by which the provider's own
    SDK takes another address: it is not followed, because applications point it at gateways such as this one.
    """

    name: str
    title: str
    base_url: str
    variables: tuple[str, ...]
    price_id: str | None
    quirks: tuple[str, ...] = ()
    url_variable: str = ""
    url_path: str = ""
    note: str = ""
    sdk_variable: str = ""
    dialect: str = "openai_chat"
    url_form: str = "{}"
    url_example: str = ""
    url_hosts: str = ""
    credential: str = "none"

    def provider(self, variable: str, address: str = "") -> Provider:
        """Return the provider signed in by ``variable`` (its name, never its value). ``address`` is the customer's own."""
        return Provider(self.name, self._url(address), f"env:{variable}", self.dialect, self.quirks)

    def owns(self, base_url: str) -> bool:
        """Whether an address is the provider's own: the row's, or a customer's at it, encrypted."""
        if self.base_url:
            return base_url == self.base_url
        parts = urlsplit(base_url)
        return parts.scheme == "https" and re.fullmatch(self.url_hosts, parts.hostname or "") is not None

    @property
    def usual_credential(self) -> str:
        """The source that signs in at the provider's own address where nothing else is said."""
        return self.credential if self.credential != "none" else f"env:{self.variables[0]}"

    def _url(self, address: str) -> str:
        if not self.url_variable:
            return self.base_url
        return self.url_form.format(address.strip().rstrip("/").removesuffix(self.url_path)) + self.url_path


class LoopbackServer(Struct, frozen=True):
    """An OpenAI-compatible server that people run on their own machine, at its default port. It needs no key."""

    name: str
    title: str
    port: int

    def provider(self) -> Provider:
        """Return the provider at its default address."""
        return Provider(self.name, f"http://127.0.0.1:{self.port}/v1")


ROWS: tuple[Row, ...] = (
    Row(
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        "openai",
        sdk_variable="OPENAI_BASE_URL",
    ),
    Row(
        "anthropic",
        "Anthropic",
        "https://api.anthropic.com/v1",
        ("ANTHROPIC_API_KEY",),
        "anthropic",
        dialect="anthropic",
    ),
    Row(
        "gemini",
        "Google Gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "google",
        dialect="gemini",
    ),
    Row("xai", "xAI", "https://api.x.ai/v1", ("XAI_API_KEY",), "x-ai"),
    Row(
        "mistral",
        "Mistral",
        "https://api.mistral.ai/v1",
        ("MISTRAL_API_KEY",),
        "mistral",
        # 422 "extra inputs are not permitted" for include_usage: openai/openai-agents-python#442.
        quirks=(NO_STREAM_OPTIONS,),
    ),
    Row("deepseek", "DeepSeek", "https://api.deepseek.com", ("DEEPSEEK_API_KEY",), "deepseek"),
    Row(
        "moonshot",
        "Moonshot (Kimi)",
        "https://api.moonshot.ai/v1",
        ("MOONSHOT_API_KEY",),
        "moonshotai",
        note=(
            'A key from platform.moonshot.cn needs [providers.moonshot] base_url = "https://api.moonshot.cn/v1" and '
            'credential = "env:MOONSHOT_API_KEY" in pointsman.toml.'
        ),
    ),
    Row(
        "dashscope",
        "DashScope (Qwen)",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        ("DASHSCOPE_API_KEY",),
        None,
        note=(
            "Keys belong to a region, this is Singapore's; a key from Beijing needs [providers.dashscope] base_url = "
            '"https://dashscope.aliyuncs.com/compatible-mode/v1" and credential = "env:DASHSCOPE_API_KEY" in pointsman.toml.'
        ),
    ),
    Row("groq", "Groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), "groq"),
    Row("together", "Together", "https://api.together.ai/v1", ("TOGETHER_API_KEY",), "together"),
    Row("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",), "fireworks"),
    Row("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), "openrouter"),
    Row(
        "azure",
        "Azure OpenAI",
        "",
        ("AZURE_OPENAI_API_KEY",),
        "azure",
        quirks=(API_KEY_HEADER,),
        url_variable="AZURE_OPENAI_ENDPOINT",
        url_path="/openai/v1",
        note="Model names are the names of your Azure deployments.",
        url_example="https://RESOURCE.openai.azure.com/openai/v1",
        url_hosts=r"[a-z0-9-]+\.(openai|services\.ai|cognitiveservices)\.azure\.com",
    ),
    Row(
        "bedrock",
        "Amazon Bedrock",
        "",
        ("AWS_BEARER_TOKEN_BEDROCK",),
        "aws",
        url_variable="AWS_REGION",
        url_form="https://bedrock-runtime.{}.amazonaws.com",
        url_example="https://bedrock-runtime.us-east-1.amazonaws.com",
        url_hosts=_BEDROCK_HOSTS,
        credential="aws",
        dialect="bedrock_converse",
        note="Model names are Bedrock's model ids, inference profiles or their ARNs.",
    ),
    Row(
        "bedrockclaude",
        "Claude on Amazon Bedrock",
        "",
        (),
        "aws",
        quirks=(BEDROCK,),
        url_variable="AWS_REGION",
        url_form="https://bedrock-runtime.{}.amazonaws.com",
        url_example="https://bedrock-runtime.us-east-1.amazonaws.com",
        url_hosts=_BEDROCK_HOSTS,
        credential="aws",
        dialect="anthropic",
        note="Anthropic's dialect byte for byte, over InvokeModel; model names as for bedrock.",
    ),
    Row(
        "vertex",
        "Gemini on Google Vertex AI",
        "",
        (),
        "google",
        quirks=(VERTEX,),
        url_variable="GOOGLE_CLOUD_PROJECT",
        url_form="https://aiplatform.googleapis.com/v1/projects/{}/locations/global",
        url_example="https://us-central1-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-central1",
        url_hosts=_VERTEX_HOSTS,
        credential="adc",
        dialect="gemini",
    ),
    Row(
        "vertexclaude",
        "Claude on Google Vertex AI",
        "",
        (),
        "google",
        quirks=(VERTEX,),
        url_variable="GOOGLE_CLOUD_PROJECT",
        url_form="https://aiplatform.googleapis.com/v1/projects/{}/locations/global",
        url_example="https://us-east5-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-east5",
        url_hosts=_VERTEX_HOSTS,
        credential="adc",
        dialect="anthropic",
    ),
)

LOOPBACK: tuple[LoopbackServer, ...] = (
    LoopbackServer("ollama", "Ollama", 11434),
    LoopbackServer("llamacpp", "llama.cpp", 8080),
    LoopbackServer("vllm", "vLLM", 8000),
    LoopbackServer("lmstudio", "LM Studio", 1234),
)


def row(name: str) -> Row | None:
    """Return the row of that name, None where there is none."""
    return next((row for row in ROWS if row.name == name), None)


def offers(provider: Provider, model: str) -> bool:
    """Say whether a model on a vendor's price list can be taken to answer at a provider without being declared.

    One list holds what several rows reach: Gemini and Claude on Vertex, Claude and others on Bedrock. At Azure names are the
    customer's own, so that none is known beforehand.
    """
    if _is_azure(provider):
        return False
    claude = "claude" in model
    if provider.dialect == "anthropic" and not {BEDROCK, VERTEX}.isdisjoint(provider.quirks):
        return claude
    return not claude or provider.dialect != "gemini"


def limit_field(provider: Provider) -> str:
    """Return what a provider calls the limit of output tokens in Chat Completions.

    OpenAI's reasoning models refuse ``max_tokens``. Elsewhere it is what everybody knows: Mistral refuses the newer name,
    and Ollama answers as if it were not there (ollama/ollama#7125).
    """
    theirs = re.fullmatch(r"([a-z0-9-]+\.)?api\.openai\.com", urlsplit(provider.base_url).hostname or "")
    return "max_completion_tokens" if theirs or _is_azure(provider) else "max_tokens"


def _is_azure(provider: Provider) -> bool:
    azure = row("azure")
    return AZURE_DEPLOYMENTS in provider.quirks or (azure is not None and azure.owns(provider.base_url))
