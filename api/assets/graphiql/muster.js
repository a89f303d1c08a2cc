// Starts GraphiQL against the server that this page came from. What the Headers editor holds
// goes out as HTTP headers, and in connection_init on the socket: browsers can't set headers
// there. Headers hold tokens, so none are kept in the browser's storage.
(() => {
  "use strict";

  const address = new URL("/graphql", location.href);
  const socketAddress = new URL("/graphql/ws", location.href);
  socketAddress.protocol = address.protocol === "https:" ? "wss:" : "ws:";

  const overHttp = GraphiQL.createFetcher({ url: address.href });

  let socket = null;
  let socketHeaders = null;

  // One socket for as long as the headers stay the same.
  function socketWith(headers) {
    const written = JSON.stringify(headers);
    if (socket === null || written !== socketHeaders) {
      socket?.dispose();
      socketHeaders = written;
      socket = graphqlWs.createClient({
        url: socketAddress.href,
        connectionParams: headers,
        lazy: true,
        retryAttempts: 3,
        // 4403: the token is not good, and stays so until someone writes another.
        shouldRetry: (event) => event instanceof CloseEvent && event.code !== 4403,
      });
    }
    return socket;
  }

  // The pane shows what was thrown; a closed socket is an event and would show as {}.
  async function* readable(results) {
    try {
      yield* results;
    } catch (error) {
      if (error instanceof CloseEvent) {
        throw new Error(`The socket was closed: ${error.code} ${error.reason}`);
      }
      throw error;
    }
  }

  function isSubscription(document, operationName) {
    const operations = (document?.definitions ?? []).filter(
      (definition) => definition.kind === "OperationDefinition",
    );
    const chosen = operationName
      ? operations.find((operation) => operation.name?.value === operationName)
      : operations[0];
    return chosen?.operation === "subscription";
  }

  function fetcher(params, options) {
    if (isSubscription(options?.documentAST, params.operationName)) {
      return readable(socketWith(options?.headers ?? {}).iterate(params));
    }
    return overHttp(params, options);
  }

  // GraphiQL's history keeps headers whatever shouldPersistHeaders says.
  const records = /:(queries|favorites|tabState)$/;
  const storage = {
    get length() {
      return localStorage.length;
    },
    clear: () => localStorage.clear(),
    getItem: (key) => localStorage.getItem(key),
    removeItem: (key) => localStorage.removeItem(key),
    setItem(key, value) {
      if (key.endsWith(":headers")) {
        return;
      }
      const kept = records.test(key)
        ? JSON.stringify(JSON.parse(value), (name, field) => (name === "headers" ? undefined : field))
        : value;
      localStorage.setItem(key, kept);
    },
  };

  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher,
      defaultEditorToolsVisibility: "headers",
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
      storage,
    }),
  );
})();
