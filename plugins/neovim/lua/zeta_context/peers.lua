-- Who predicts for a buffer: our own agent, or a language server of the user behind the proxy.
local agent = require("zeta_context.agent")
local sync = require("zeta_context.sync")
local M = {}

local own = {}

function own.is_ready()
  return agent.is_ready()
end

function own.encoding()
  return agent.encoding
end

function own.uri(buffer)
  return sync.uri(buffer)
end

function own.version(buffer)
  return sync.version(buffer)
end

function own.request(buffer, method, params, callback)
  sync.flush(buffer)
  return agent.request(method, params, callback)
end

function own.notify(_, method, params)
  agent.notify(method, params)
end

function own.together(buffer, work)
  sync.together(buffer, work)
end

local function behind_proxy(client)
  return {
    is_ready = function()
      return not client:is_stopped()
    end,
    encoding = function()
      return client.offset_encoding
    end,
    uri = function(buffer)
      return vim.uri_from_bufnr(buffer)
    end,
    version = function(buffer)
      return vim.lsp.util.buf_versions[buffer]
    end,
    request = function(buffer, method, params, callback)
      return client:request(method, params, callback, buffer)
    end,
    notify = function(_, method, params)
      client:notify(method, params)
    end,
    together = function(_, work)
      work()
    end,
  }
end

local function is_ours(client)
  local experimental = (client.server_capabilities or {}).experimental
  return type(experimental) == "table" and experimental.zetaContext ~= nil
end

local proxied = {}

-- A language server was attached to a buffer; gives whether it predicts from now on.
function M.take_client(buffer, client)
  if not is_ours(client) then
    return false
  end
  proxied[buffer] = behind_proxy(client)
  sync.detach(buffer)
  return true
end

function M.drop_client(buffer)
  proxied[buffer] = nil
end

function M.of(buffer)
  local peer = proxied[buffer]
  return peer and peer.is_ready() and peer or own
end

return M
