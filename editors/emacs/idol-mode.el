;;; idol-mode.el --- Major mode for Idol interface files  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: MPL-2.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages

;;; Commentary:

;; Colors, indentation and comments for the `.idol' files of Hubris.  With Eglot (part of Emacs 29),
;; `M-x eglot' starts `idol lsp': pip install 'idoldbg[lsp]'.

;;; Code:

(defgroup idol nil
  "Idol interface files."
  :group 'languages)

(defcustom idol-indent-offset 4
  "Columns of one level, as `idol fmt' has them."
  :type 'integer
  :safe #'integerp)

(defcustom idol-command "idol"
  "The command `idol'."
  :type 'string)

(defvar idol-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?/ ". 124b" table)
    (modify-syntax-entry ?* ". 23n" table)
    (modify-syntax-entry ?\n "> b" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?\\ "\\" table)
    (modify-syntax-entry ?_ "_" table)
    (modify-syntax-entry ?# "." table)
    (modify-syntax-entry ?' "." table)
    table)
  "Syntax of Idol: strings, brackets, comments that nest.")

(defvar idol-font-lock-keywords
  `((,(rx symbol-start "Interface" symbol-end) . font-lock-keyword-face)
    (,(rx symbol-start
          (or "Simple" "Result" "CLike" "Complex" "ServerDeath" "FromBytes" "FromPrimitive" "From")
          symbol-end)
     . font-lock-builtin-face)
    (,(rx symbol-start
          (or "Zerocopy" "Ssmarshal" "Hubpack" "Some" "None" "true" "false")
          symbol-end)
     . font-lock-constant-face)
    (,(rx "#" (* space) "!" (* space) "[" (* (not (any "]"))) "]") . font-lock-preprocessor-face)
    ;; Names of operations, arguments and leases.
    (,(rx (group "\"" (* (not (any "\"\\"))) "\"") (* space) ":") 1 font-lock-function-name-face t)
    (,(rx symbol-start (group (any "a-z_") (* (any "a-zA-Z0-9_"))) (* space) ":" (not (any ":")))
     1 font-lock-variable-name-face))
  "Colors of Idol.")

(defun idol-indent-line ()
  "Indent by the brackets that are open at the beginning of the line."
  (interactive)
  (let* ((state (save-excursion (syntax-ppss (line-beginning-position))))
         (column (if (nth 8 state)
                     nil                ; in a string or comment
                   (save-excursion
                     (back-to-indentation)
                     (let ((closes (looking-at (rx (any ")}]")))))
                       (if (null (nth 1 state))
                           0
                         (goto-char (nth 1 state))
                         (back-to-indentation)
                         (+ (current-column) (if closes 0 idol-indent-offset))))))))
    (if (null column)
        'noindent
      (if (<= (current-column) (current-indentation))
          (indent-line-to column)
        (save-excursion (indent-line-to column))))))

;;;###autoload
(define-derived-mode idol-mode prog-mode "Idol"
  "Major mode for Idol interface files."
  (setq-local font-lock-defaults '(idol-font-lock-keywords))
  (setq-local comment-start "// ")
  (setq-local comment-end "")
  (setq-local comment-start-skip (rx (or "//" "/*") (* space)))
  (setq-local indent-line-function #'idol-indent-line)
  (setq-local indent-tabs-mode nil)
  (setq-local tab-width idol-indent-offset)
  (setq-local fill-column 100)
  (setq-local compile-command
              (if buffer-file-name
                  (concat idol-command " check " (shell-quote-argument buffer-file-name))
                (concat idol-command " check .")))
  (setq-local electric-indent-chars (append ")}]" electric-indent-chars)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.idol\\'" . idol-mode))

(defvar eglot-server-programs)
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs
               `(idol-mode . ,(lambda (&optional _) (list idol-command "lsp")))))

(provide 'idol-mode)
;;; idol-mode.el ends here
