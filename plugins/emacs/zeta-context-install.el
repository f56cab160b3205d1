;;; zeta-context-install.el --- Install the program of zeta-context -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Loaded by the command `zeta-context-install' only.

;;; Code:

(require 'zeta-context)

(defun zeta-context-install--source ()
  "The clone that this package lies in, or the name that an index knows."
  (let* ((here (file-truename (or (locate-library "zeta-context-install") default-directory)))
         (root (expand-file-name "../.." (file-name-directory here))))
    (if (file-exists-p (expand-file-name "zeta_context/cli/main.py" root)) root "zeta-context")))

(defun zeta-context-install--command ()
  "The command that installs the program, by what there is to install it with."
  (let ((source (zeta-context-install--source)))
    (cond ((executable-find "uv") (list "uv" "tool" "install" "--force" source))
          ((executable-find "pipx") (list "pipx" "install" "--force" source))
          (t (user-error "Install uv or pipx first, or set `zeta-context-program'")))))

(defun zeta-context-install ()
  "Install the program with uv or pipx, and start it where it is waited for."
  (interactive)
  (let* ((command (zeta-context-install--command))
         (bin (expand-file-name "~/.local/bin"))
         ;; Where it is looked for afterwards; what the user has set already comes first.
         (process-environment (append process-environment
                                      (list (concat "UV_TOOL_BIN_DIR=" bin)
                                            (concat "PIPX_BIN_DIR=" bin)))))
    (message "running %s" (string-join command " "))
    (make-process
     :name "zeta-context-install" :command command :noquery t
     :buffer (get-buffer-create "*zeta-context-install*")
     :sentinel
     (lambda (process _event)
       (when (eq (process-status process) 'exit)
         (if (/= (process-exit-status process) 0)
             (message "zeta-context was not installed: see *zeta-context-install*")
           (message "zeta-context is installed")
           (zeta-context--start)))))))

(provide 'zeta-context-install)
;;; zeta-context-install.el ends here
