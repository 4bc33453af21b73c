// A plugin that changes Swagger UI. The page sends no request to another host.
const reader = ({ React }) => ({
  fn: {
    // Search by method, path, summary and description instead of by tag.
    opsFilter: (taggedOps, phrase) => {
      const words = phrase.toLowerCase().split(/\s+/);
      const matches = (op) => {
        const { summary = "", description = "" } = op.get("operation").toJS();
        const text = `${op.get("method")} ${op.get("path")} ${summary} ${description}`.toLowerCase();
        return words.every((word) => text.includes(word));
      };
      return taggedOps
        .map((tag) => tag.update("operations", (operations) => operations.filter(matches)))
        .filter((tag) => tag.get("operations").size);
    },
  },
  wrapComponents: {
    // Every field of the dialog requests the focus, so the last one would have it. Focus the API key.
    authorizationPopup: (Original) => (props) => {
      React.useEffect(() => document.querySelector(".auth-container input")?.focus(), []);
      return React.createElement(Original, props);
    },
    FilterContainer: (Original) => (props) => {
      React.useEffect(() => {
        const field = document.querySelector(".operation-filter-input");
        field?.setAttribute("placeholder", "Search operations");
        field?.setAttribute("aria-label", "Search operations");
      });
      return React.createElement(Original, props);
    },
    // The list of servers has no label of its own.
    ServersContainer: (Original) => (props) => {
      React.useEffect(() => document.getElementById("servers")?.setAttribute("aria-label", "Server"));
      return React.createElement(Original, props);
    },
    // Requests to clients are not searched, so a search hides them.
    Webhooks: (Original, system) => (props) => {
      const phrase = system.layoutSelectors.currentFilter();
      return typeof phrase === "string" && phrase ? null : React.createElement(Original, props);
    },
    // Show the code sample of the operation above its parameters.
    parameters: (Original, system) => (props) => {
      const at = ["paths", ...props.pathMethod, "x-codeSamples", 0, "source"];
      const sample = system.specSelectors.specJson().getIn(at);
      return React.createElement(
        React.Fragment,
        null,
        sample && React.createElement("pre", { className: "sample", tabIndex: 0 }, sample),
        React.createElement(Original, props),
      );
    },
    // Expand the successful response; collapse each other one until its button is pressed.
    response: (Original, system) => (props) => {
      const responses = system.specSelectors.specJson().getIn(["paths", props.path, props.method, "responses"]);
      const usual = responses.keySeq().filter((code) => code.startsWith("2")).max();
      const [isOpen, open] = React.useState(props.code === usual);
      if (isOpen) return React.createElement(Original, props);
      const Markdown = system.getComponent("Markdown", true);
      return React.createElement(
        "tr",
        { className: "response", "data-code": props.code },
        React.createElement("td", { className: "response-col_status" }, props.code),
        React.createElement(
          "td",
          { className: "response-col_description" },
          React.createElement(Markdown, { source: props.response.get("description") }),
          React.createElement(
            "button",
            { className: "more", onClick: () => open(true), "aria-label": `Show response ${props.code}` },
            "Show example",
          ),
        ),
      );
    },
  },
});

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  plugins: [reader],
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  requestSnippetsEnabled: true,
  persistAuthorization: false, // a key is forgotten when the page closes
  validatorUrl: null, // otherwise the page sends the document to another host
});

// Swagger UI's dark mode depends on a class that only its top bar sets, and this page has none.
const night = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", night.matches);
night.addEventListener("change", follow);
follow();
