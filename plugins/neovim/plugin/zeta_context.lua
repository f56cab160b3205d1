-- Commands and <Plug> maps; everything else loads when one of them, or the first buffer, needs it.
if vim.g.loaded_zeta_context then
  return
end
vim.g.loaded_zeta_context = true

for name, action in pairs({
  ZetaStatus = "show_status",
  ZetaInstall = "install",
  ZetaWrong = "report_wrong",
}) do
  vim.api.nvim_create_user_command(name, function()
    require("zeta_context.commands")[action]()
  end, {})
end
vim.api.nvim_create_user_command("ZetaEnable", function()
  require("zeta_context").enable(true)
end, {})
vim.api.nvim_create_user_command("ZetaDisable", function()
  require("zeta_context").enable(false)
end, {})

for name, action in pairs({
  ["<Plug>(zeta-accept)"] = "accept",
  ["<Plug>(zeta-accept-word)"] = "accept_word",
  ["<Plug>(zeta-accept-line)"] = "accept_line",
  ["<Plug>(zeta-reject)"] = "reject",
  ["<Plug>(zeta-predict)"] = "predict",
}) do
  vim.keymap.set({ "n", "i" }, name, function()
    require("zeta_context")[action]()
  end)
end
