-- Neovim 0.12's own inline completion: where the user has turned it on, it shows what lies in the
-- row of the cursor. For it the agent is a language server that lives inside of Neovim.
local agent = require("zeta_context.agent")
local sync = require("zeta_context.sync")
local M = {}

local FORWARDED = {
  ["textDocument/inlineCompletion"] = true,
  ["workspace/executeCommand"] = true,
}

-- Whether the editor itself shows what is predicted in the row of the cursor.
function M.is_on(buffer)
  local module = vim.fn.has("nvim-0.12") == 1 and vim.lsp.inline_completion
  return module and module.is_enabled({ bufnr = buffer }) or false
end

local function answer_initialize(callback)
  callback(nil, {
    capabilities = {
      positionEncoding = agent.encoding,
      inlineCompletionProvider = true,
      executeCommandProvider = { commands = agent.told.commands },
    },
    serverInfo = { name = "zeta_context" },
  })
end

local function serve(dispatchers)
  local is_closing = false
  local number = 0
  return {
    request = function(method, params, callback)
      number = number + 1
      if method == "initialize" then
        answer_initialize(callback)
      elseif FORWARDED[method] then
        local document = params.textDocument
        if document then
          sync.flush(vim.uri_to_bufnr(document.uri))
        end
        if not agent.request(method, params, callback) then
          callback(nil, nil)
        end
      else
        callback(nil, nil)
      end
      return true, number
    end,
    notify = function(method)
      if method == "exit" then
        dispatchers.on_exit(0, 0)
      end
      return true
    end,
    is_closing = function()
      return is_closing
    end,
    terminate = function()
      is_closing = true
    end,
  }
end

-- Offer a buffer's predictions to the editor's own inline completion, if that is on.
function M.attach(buffer)
  if M.is_on(buffer) and agent.is_ready() and sync.is_attached(buffer) then
    vim.lsp.start({ name = "zeta_context", cmd = serve, root_dir = vim.uv.cwd() }, { bufnr = buffer })
  end
end

return M
