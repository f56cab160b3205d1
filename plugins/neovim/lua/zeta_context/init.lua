-- What users call. Loads nothing else before the first buffer.
local M = {}

---@class zeta_context.Options
M.options = {
  -- The agent's command; nil: `zeta-context serve` from the PATH or from where :ZetaInstall put it.
  cmd = nil, ---@type string[]?
  -- Language servers (names of vim.lsp.config) to run behind the proxy: their definitions are
  -- then context of predictions. true: all that are enabled.
  wrap = {}, ---@type string[]|true
  -- Keys by action; false: none. A key that you have mapped yourself is left alone.
  keys = {
    accept = "<M-y>",
    accept_word = "<M-w>",
    accept_line = "<M-e>",
    reject = "<M-n>",
  },
  -- Whether predictions are shown in a buffer.
  enabled = function(_buffer)
    return true
  end,
  -- Longer files are left alone.
  max_bytes = 2 * 1024 * 1024,
}

local function map_keys()
  if not M.options.keys then
    return
  end
  for action, key in pairs(M.options.keys) do
    local plug = ("<Plug>(zeta-%s)"):format(action:gsub("_", "-"))
    for _, mode in ipairs({ "n", "i" }) do
      if key and vim.fn.maparg(key, mode) == "" then
        vim.keymap.set(mode, key, plug, { desc = "zeta_context: " .. action })
      end
    end
  end
end

---@param options zeta_context.Options?
function M.setup(options)
  M.options = vim.tbl_deep_extend("force", M.options, options or {})
  map_keys()
  local group = vim.api.nvim_create_augroup("zeta_context", {})
  if vim.v.vim_did_enter == 1 then
    require("zeta_context.buffers").start()
    return
  end
  vim.api.nvim_create_autocmd({ "BufReadPre", "BufNewFile", "InsertEnter" }, {
    group = group,
    once = true,
    callback = function()
      require("zeta_context.buffers").start()
    end,
  })
end

-- Whether accepting would do something now: for maps of your own, so that no key is stolen.
function M.has_prediction()
  local offers = package.loaded["zeta_context.offers"]
  return offers ~= nil and offers.current() ~= nil
end

-- Go to the prediction, or apply it where the cursor is in its line. Gives whether it did.
function M.accept()
  return require("zeta_context.offers").accept()
end

function M.accept_word()
  return require("zeta_context.offers").accept("word")
end

function M.accept_line()
  return require("zeta_context.offers").accept("line")
end

-- Turn the prediction down; the same is not shown here again.
function M.reject()
  return require("zeta_context.offers").reject()
end

-- Ask now, whatever was asked before.
function M.predict()
  require("zeta_context.offers").ask(vim.api.nvim_get_current_buf(), "explicit")
end

function M.enable(is_enabled)
  M.is_disabled = not is_enabled
  if M.is_disabled then
    require("zeta_context.offers").clear()
  end
end

-- For a statusline: what is offered, or why nothing is.
function M.statusline()
  local offers = package.loaded["zeta_context.offers"]
  return offers and offers.describe() or ""
end

-- A server's command behind the proxy, for `cmd` of vim.lsp.config or of any plugin.
function M.wrap(command)
  return require("zeta_context.agent").wrap(command)
end

return M
