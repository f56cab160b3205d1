-- The process that predicts: found, started, told of buffers anew and restarted when it dies.
local M = {}

M.PROTOCOL = 1

local MAX_RESTARTS = 6
local RESTART_WINDOW_S = 600

local state = { rpc = nil, is_ready = false, roots = {}, starts = {}, is_leaving = false }
M.encoding = "utf-8"

-- The command without its subcommand; nil: it is not installed.
function M.program()
  local cmd = require("zeta_context").options.cmd
  if cmd then
    return vim.list_slice(cmd, 1, math.max(#cmd - (cmd[#cmd] == "serve" and 1 or 0), 1))
  end
  local own = vim.fs.joinpath(vim.fn.stdpath("data"), "zeta_context", "bin", "zeta-context")
  -- uv and pipx put it there, which need not be in the PATH.
  local users = vim.fn.expand("~/.local/bin/zeta-context")
  for _, program in ipairs({ "zeta-context", users, own }) do
    if vim.fn.executable(program) == 1 then
      return { program }
    end
  end
end

function M.wrap(command)
  local program = M.program()
  return program and vim.list_extend(vim.list_extend(program, { "proxy", "--" }), command)
    or command
end

function M.is_ready()
  return state.is_ready
end


function M.request(method, params, callback)
  if not state.is_ready or state.rpc.is_closing() then
    return false
  end
  return state.rpc.request(method, params, vim.schedule_wrap(callback))
end

function M.notify(method, params)
  if state.is_ready and not state.rpc.is_closing() then
    state.rpc.notify(method, params)
  end
end

local function folder(root)
  return { uri = vim.uri_from_fname(root), name = vim.fs.basename(root) }
end

-- Make a folder one of those whose files are predicted.
function M.add_root(root)
  if vim.list_contains(state.roots, root) then
    return
  end
  table.insert(state.roots, root)
  local event = { added = { folder(root) }, removed = {} }
  M.notify("workspace/didChangeWorkspaceFolders", { event = event })
end

local function may_restart()
  local now = vim.uv.now() / 1000
  state.starts = vim.tbl_filter(function(at)
    return now - at < RESTART_WINDOW_S
  end, state.starts)
  return #state.starts < MAX_RESTARTS
end

-- What to do where the agent speaks another protocol than this plugin; nil: it fits.
function M.mismatch()
  local told = M.told or {}
  if told.protocol == M.PROTOCOL or (told.oldest or M.PROTOCOL + 1) <= M.PROTOCOL then
    return nil
  end
  return told.protocol and told.protocol > M.PROTOCOL and "update this plugin"
    or told.update
    or "uv tool upgrade zeta-context"
end

-- `on_ready` is called whenever an agent is ready, the first or a later one.
function M.start(on_ready)
  local program = M.program()
  if not program or state.rpc or state.is_leaving then
    return program ~= nil
  end
  table.insert(state.starts, vim.uv.now() / 1000)
  local cmd = vim.list_extend(program, { "serve" })
  local function on_exit()
    state.rpc, state.is_ready = nil, false
    vim.schedule(function()
      require("zeta_context.offers").clear()
      if not state.is_leaving and may_restart() then
        M.start(on_ready)
      end
    end)
  end
  local dispatchers = {
    on_exit = on_exit,
    on_error = function() end,
    notification = function() end,
    server_request = function()
      return vim.NIL
    end,
  }
  local ok, rpc = pcall(vim.lsp.rpc.start, cmd, dispatchers, { cwd = state.roots[1], detached = false })
  if not ok then
    return false
  end
  state.rpc = rpc
  local root = state.roots[1]
  rpc.request("initialize", {
    processId = vim.uv.os_getpid(),
    clientInfo = { name = "zeta_context.nvim", version = tostring(vim.version()) },
    rootUri = root and vim.uri_from_fname(root) or vim.NIL,
    workspaceFolders = vim.tbl_map(folder, state.roots),
    capabilities = { general = { positionEncodings = { "utf-8" } } },
  }, vim.schedule_wrap(function(_, result)
    if not result or state.rpc ~= rpc then
      return
    end
    local told = (result.capabilities.experimental or {}).zetaContext or {}
    M.told, M.encoding = told, result.capabilities.positionEncoding or "utf-16"
    if told.off then
      M.stop() -- the user has turned predictions off
      return
    end
    rpc.notify("initialized", vim.empty_dict())
    state.is_ready = true
    local mend = M.mismatch()
    if mend then
      vim.notify_once("zeta-context speaks another protocol than this plugin: " .. mend)
    end
    on_ready()
  end))
  return true
end

function M.stop()
  state.is_leaving = true
  if state.rpc and not state.rpc.is_closing() then
    state.rpc.request("shutdown", nil, function() end)
    state.rpc.notify("exit")
    state.rpc.terminate()
  end
end

return M
