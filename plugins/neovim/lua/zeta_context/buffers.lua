-- Which buffers are watched, and when a prediction is asked for in them.
local agent = require("zeta_context.agent")
local native = require("zeta_context.native")
local offers = require("zeta_context.offers")
local peers = require("zeta_context.peers")
local sync = require("zeta_context.sync")
local M = {}

local MOVED_MS = 80
local is_started = false
local is_asking = false
local moved = nil

local function options()
  return require("zeta_context").options
end

local function may_watch(buffer)
  if not vim.api.nvim_buf_is_loaded(buffer) or vim.bo[buffer].buftype ~= "" then
    return false
  end
  -- The empty buffer that Neovim starts with is not worth an agent before somebody types in it.
  local is_typing = vim.startswith(vim.api.nvim_get_mode().mode, "i")
  if vim.api.nvim_buf_get_name(buffer) == "" and not is_typing then
    return false
  end
  local size = vim.api.nvim_buf_get_offset(buffer, vim.api.nvim_buf_line_count(buffer))
  return size <= options().max_bytes and options().enabled(buffer)
end

local function root_of(buffer)
  local root = vim.fs.root(buffer, { ".git" })
  local name = vim.api.nvim_buf_get_name(buffer)
  return root or (name ~= "" and vim.fs.dirname(name)) or vim.uv.cwd()
end

-- Once for all the changes that a command makes.
local function on_change(buffer)
  if is_asking then
    return
  end
  is_asking = true
  vim.schedule(function()
    is_asking = false
    offers.age()
    offers.ask(buffer, "buffer_edit")
  end)
end

local function on_moved()
  moved = moved or vim.uv.new_timer()
  moved:start(
    MOVED_MS,
    0,
    vim.schedule_wrap(function()
      if offers.current() then
        offers.show()
      else
        offers.ask(vim.api.nvim_get_current_buf(), "other")
      end
    end)
  )
end

-- Those that the user wants behind the proxy, before Neovim starts them.
local function wrap_servers()
  local wanted = options().wrap
  if wanted == true then
    wanted = vim.tbl_keys(vim.lsp._enabled_configs or {})
  end
  for _, name in ipairs(wanted) do
    local config = vim.lsp.config[name]
    if config and type(config.cmd) == "table" then
      vim.lsp.config(name, {
        cmd = agent.wrap(config.cmd),
        flags = vim.tbl_extend("keep", { debounce_text_changes = 0 }, config.flags or {}),
      })
    end
  end
end

-- Whether a server behind the proxy will come and predict for this buffer.
local function is_wrapped(buffer)
  local wanted = options().wrap
  local names = wanted == true and vim.tbl_keys(vim.lsp._enabled_configs or {}) or wanted
  for _, name in ipairs(names) do
    local config = vim.lsp.config[name]
    if config and vim.list_contains(config.filetypes or {}, vim.bo[buffer].filetype) then
      return true
    end
  end
  return false
end

function M.watch(buffer)
  if not may_watch(buffer) or sync.is_attached(buffer) or is_wrapped(buffer) then
    return
  end
  agent.add_root(root_of(buffer))
  if not agent.start(sync.open_all) then
    require("zeta_context.commands").tell_missing()
    return
  end
  sync.attach(buffer, on_change)
end

-- When its text is there and its filetype is known.
local function watch_soon(buffer)
  vim.schedule(function()
    if vim.api.nvim_buf_is_valid(buffer) then
      M.watch(buffer)
    end
  end)
end

local function on_attach(event)
  local client = vim.lsp.get_client_by_id(event.data.client_id)
  if client and peers.take_client(event.buf, client) then
    vim.api.nvim_buf_attach(event.buf, false, {
      on_lines = function(_, buffer)
        if peers.of(buffer) and vim.lsp.buf_is_attached(buffer, client.id) then
          on_change(buffer)
          return false
        end
        return true
      end,
    })
  end
end

function M.start()
  if is_started then
    return
  end
  is_started = true
  wrap_servers()
  local group = vim.api.nvim_create_augroup("zeta_context", { clear = true })
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, callback = callback })
  end
  on({ "BufReadPost", "BufNewFile", "BufEnter", "InsertEnter" }, function(event)
    watch_soon(event.buf)
  end)
  on("InsertEnter", function(event)
    native.attach(event.buf)
  end)
  on({ "CursorMoved", "CursorMovedI", "InsertEnter", "InsertLeave" }, on_moved)
  on("CompleteChanged", function()
    vim.schedule(offers.show)
  end)
  on("CompleteDone", function(event)
    vim.schedule(function()
      offers.resume(event.buf)
    end)
  end)
  on("BufLeave", offers.clear)
  on({ "ModeChanged", "WinResized", "WinScrolled" }, function()
    vim.schedule(offers.show)
  end)
  on("BufWritePost", function(event)
    sync.save(event.buf)
  end)
  vim.api.nvim_create_autocmd("OptionSet", {
    group = group,
    pattern = { "fileformat", "endofline", "fixendofline", "binary" },
    callback = function()
      sync.retell(vim.api.nvim_get_current_buf())
    end,
  })
  on("LspAttach", on_attach)
  on("LspDetach", function(event)
    peers.drop_client(event.buf)
  end)
  on("VimLeavePre", agent.stop)
  watch_soon(vim.api.nvim_get_current_buf())
end

return M
